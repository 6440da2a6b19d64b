import { join } from 'node:path'
import { Command, InvalidArgumentError, Option } from 'commander'
import { findProgram } from '../rig/programs.ts'
import { wholeNumber } from '../rig/whole-number.ts'
import { type FaultName, faultNames, faults } from './faults.ts'
import { provoke } from './mutate.ts'
import { type MutationName, mutations } from './mutations.ts'
import { type ChaosResult, runChaos } from './run.ts'
import { tellFaults, tellResult, toJson } from './tell.ts'
import { isGreen } from './verdict.ts'

const program = new Command('chaos')
  .description(
    `Proves the promise from outside: a whole installation is run and broken on purpose, and letters are counted by a
mail host of its own. Of every release, correction and withdrawal answered 2xx, for every reader it is owed to:

  lost     neither accepted by the mail host nor ended for a reason we know      must be 0
  excess   copies that no attempt in doubt explains                              must be 0
  late     letters begun after their reader's opt-out, or their release's
           correction or withdrawal, was answered 2xx, or of a mailing that
           an operator had paused or cancelled a second before                   must be 0
  bare     the same of a MAIL FROM with nothing after it, which a process frozen
           before the answer wrote as it went on: one for each freeze at most
  phantom  letters to anybody they were not owed to, or under a wrong name       must be 0
  untold   corrections that do not say so, to readers of the earlier text        must be 0
  toGone   letters to addresses that were refused for good long before           must be 0
  unheard  attempts held to be in doubt of which the mail host never heard;
           told only where all workers share one journal                         must be 0
  untimely releases that began before their hour, or too long after it           must be 0
  burnt    tries counted although the mail host could not be reached             must be 0
  unheeded readers who would leave or follow, and were refused or not answered   must be 0
  errors   lines of an error in our processes' logs                              must be 0
  leaked   lines in them with a reader's address, their token or a secret        must be 0
  notEnded mailings without an end                                               must be 0
  fallen   processes that ended by themselves, or not in order when told to      must be 0
  idle     workers processes that bring no mailing to its end by themselves      must be 0
  vain     acts that met nothing of what they are aimed at, however often        must be 0

doubled and inDoubt are told beside them: no client of SMTP can tell an answer that was lost from one that was never
given. recoverySeconds is the longest from a part being back to the next letter, or that none began although there were some;
takeoverSeconds the longest that a chunk, or a mailing being cut, of a process killed or frozen stayed in nobody's hands. Both are less what PostgreSQL, Redis, the
disk or the mail host was away in between; they must not be over 15 and 60.`,
  )
  .option('--seed <n>', 'the same seed plays the same faults', wholeNumber(0), 1)
  .option('--recipients <n>', 'readers', wholeNumber(1), 3_000)
  .option('--kills <n>', 'how often a workers process is killed; other faults come in proportion', wholeNumber(0), 20)
  .addOption(
    new Option('--faults <list>', 'which, parted by commas; or all but some: all,-redis-stop,-tarpit')
      .argParser(chosen)
      .default(chosen('all'), 'all'),
  )
  .option('--workers <n>', 'workers processes', wholeNumber(1), 2)
  .addOption(new Option('--queues <store>', 'where the queues live').choices(['redis', 'postgres']).default('redis'))
  .option('--mutate <name>', 'break the code on purpose, and see the count go red; or all', named)
  .option('--control', 'beside each mutation the same run with nothing broken, which must stay green')
  .option('--json', 'one line of JSON')
  .addHelpText('after', () => `\nFaults:\n${tellFaults(faults)}\nMutations:\n${tellFaults(mutations)}`)
  .parse()

type Options = {
  seed: number
  recipients: number
  kills: number
  faults: FaultName[]
  workers: number
  queues: 'redis' | 'postgres'
  mutate?: MutationName[]
  control?: true
  json?: true
}
const options = program.opts<Options>()
const own = ['recipients', 'kills', 'faults'].filter((name) => program.getOptionValueSource(name) === 'cli')
if (options.mutate && own.length > 0)
  process.stderr.write(`Each mutation brings its own readers, kills and faults; not heeded: --${own.join(', --')}.\n`)
if (options.control && !options.mutate)
  program.error('--control goes with --mutate: beside each mutation it runs the code with nothing broken.')
if (process.platform !== 'linux')
  program.error('A run stops and starts processes by what Linux tells of them in /proc.')
if (options.queues === 'redis' && !findProgram('redis-server') && !findProgram('valkey-server'))
  program.error('Neither redis-server nor valkey-server is installed; --queues postgres does without.')
const entries = join(import.meta.dirname, '../..')
const isTalking = process.stdout.isTTY && !options.json
const wishes = {
  ...options,
  entries,
  say: ({ kills, mailings, letters, now }: Parameters<Parameters<typeof runChaos>[0]['say']>[0]) => {
    if (isTalking)
      process.stdout.write(`\r\x1b[K${kills} kills · ${mailings} mailings · ${letters} letters accepted · ${now}`)
  },
}
const write = (text: string) => process.stdout.write(`${isTalking ? '\r\x1b[K' : ''}${text}\n`)

process.exitCode = (await (options.mutate === undefined ? proveOnce() : proveTheProof(options.mutate))) ? 0 : 1

async function proveOnce(): Promise<boolean> {
  const result: ChaosResult = await runChaos(wishes)
  write(options.json ? toJson(wishes, result) : tellResult(wishes, result))
  return isGreen(result)
}

/** A harness that never goes red proves nothing: each mutation must be caught, by the counter it was made for. */
async function proveTheProof(names: readonly MutationName[]): Promise<boolean> {
  let allCaught = true
  for (const name of names) {
    const caught = await provoke(name, wishes, options.control ?? false)
    allCaught &&= caught.isCaught
    write(options.json ? JSON.stringify(caught) : `${caught.isCaught ? 'caught' : 'MISSED'}  ${name}: ${caught.detail}`)
  }
  return allCaught
}

function named(text: string): MutationName[] {
  if (text === 'all') return Object.keys(mutations) as MutationName[]
  // Its own: every object answers to toString.
  if (Object.hasOwn(mutations, text)) return [text as MutationName]
  throw new InvalidArgumentError(`There is no mutation ${text}; --help lists them.`)
}

function chosen(text: string): FaultName[] {
  const words = text.split(',').map((word) => word.trim())
  const names = new Set<FaultName>()
  for (const word of words) {
    const name = word.replace(/^-/, '') as FaultName
    if (word === 'all') for (const each of faultNames) names.add(each)
    else if (!faultNames.includes(name)) throw new InvalidArgumentError(`There is no fault ${name}; --help lists them.`)
    else if (word.startsWith('-')) names.delete(name)
    else names.add(name)
  }
  if (names.size === 0) throw new InvalidArgumentError('It leaves no fault to play; all,-tarpit is all but one.')
  return [...names]
}
