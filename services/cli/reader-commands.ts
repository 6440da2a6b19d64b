import { type Command, Option } from 'commander'
import { untilNobodyMayBegin } from '../../shared/delivery/may-still-begin.sql.ts'
import { parseAddress } from '../../shared/subscriber/address.ts'
import { addressHashKey, hashAddress } from '../../shared/subscriber/address-hash.ts'
import { barReader } from '../../shared/subscriber/bar-reader.sql.ts'
import { eraseReader } from '../../shared/subscriber/erase-reader.sql.ts'
import { collectHeldData, type HeldData } from '../../shared/subscriber/held-data.sql.ts'
import { type ListedReader, listReaders } from '../../shared/subscription/list-readers.sql.ts'
import {
  type SubscriptionId,
  type SubscriptionState,
  subscriptionStates,
} from '../../shared/subscription/subscription.ts'
import { liftForOperator } from '../../shared/suppression/suppression.sql.ts'
import { chooseNewsroom } from './choose-newsroom.ts'
import type { CliDeps } from './cli-deps.ts'
import { csvLine } from './csv.ts'
import { Mistake, usageMistake } from './mistake.ts'
import { asJson, count, tableOf } from './terminal.ts'

/** `subscribers show`, `export`, `bar`, `unbar`, `erase`. */
export function addReaderCommands(subscribers: Command, deps: CliDeps): void {
  subscribers
    .command('show')
    .description('all that is held about one address')
    .argument('<address>', 'whose')
    .option('--json', 'answer in JSON, with every row')
    .action((address: string, options: { json?: true }) => show(deps, address, options))

  subscribers
    .command('export')
    .description('the readers of a newsroom whose address is still kept, as CSV')
    .requiredOption('--newsroom <slug>', 'whose readers')
    .addOption(new Option('--state <state>', 'only those in this state').choices([...subscriptionStates]))
    .option('--json', 'answer in JSON, one reader a line')
    .addHelpText('after', exportExamples)
    .action((options: ExportOptions) => exportReaders(deps, options))

  subscribers
    .command('bar')
    .description('write to an address no more, whatever it follows or is entered for')
    .argument('<address>', 'whose')
    .option('--json', 'answer in JSON')
    .addHelpText('after', barExamples)
    .action((address: string, options: { json?: true }) => bar(deps, address, options))

  subscribers
    .command('unbar')
    .description('let an address be written to again that was barred, or refused by its mail host')
    .argument('<address>', 'whose')
    .option('--json', 'answer in JSON')
    .action((address: string, options: { json?: true }) => unbar(deps, address, options))

  subscribers
    .command('erase')
    .description('take an address out of everything, for good; its keyed hash stays and bars an import')
    .argument('<address>', 'whose')
    .option('--yes', 'you mean it: this cannot be undone')
    .option('--json', 'answer in JSON')
    .action((address: string, options: { yes?: true; json?: true }) => erase(deps, address, options))
}

const exportExamples = `
What a spreadsheet would take for a formula has an apostrophe before it; --json gives addresses exactly as they are.

Example:
  pressebud subscribers export --newsroom havna --state active > readers.csv
`

const barExamples = `
For whoever asks on the telephone not to be written to again. All they follow ends, and no letter begins once this has
answered. Their data is kept: to have that gone as well, erase it.

Examples:
  pressebud subscribers bar ada@example.com
  pressebud subscribers unbar ada@example.com
`

function hashOf({ surroundings }: CliDeps, text: string): Buffer {
  const address = parseAddress(text)
  if (!address) throw usageMistake('That is not an email address that mail can be sent to.')
  return hashAddress(addressHashKey(surroundings.secretKeys()), address.key)
}

async function show(deps: CliDeps, address: string, options: { json?: true }): Promise<void> {
  const { terminal, surroundings } = deps
  const held = await collectHeldData(surroundings.database(), hashOf(deps, address))
  if (options.json) return terminal.out(asJson(held))
  if (held.subscribers.length === 0 && held.suppression === null) return terminal.out('Nothing is held about it.\n')
  tell(deps, held)
}

function tell({ terminal }: CliDeps, held: HeldData): void {
  const { paint } = terminal
  const known = held.subscribers.some(({ address }) => address !== null)
  if (!known) terminal.out('The address itself is not kept; it is known by its keyed hash.\n')
  if (held.suppression)
    terminal.out(`${paint.bad('Suppressed')} as ${held.suppression.reason} since ${momentOf(held.suppression.at)}.\n`)
  const follows = held.subscriptions.map((one) => [
    one.newsroom,
    one.endedReason && one.state === 'ended' ? `${one.state} (${one.endedReason})` : one.state,
    one.language,
    one.frequency,
    one.topics.join(', ') || 'all',
    one.pausedUntil ? momentOf(one.pausedUntil) : '',
  ])
  if (follows.length > 0)
    terminal.out(
      `\n${tableOf(paint, ['Newsroom', 'State', 'Language', 'Frequency', 'Topics', 'Paused until'], follows)}`,
    )
  const acts = held.consents.map((one) => [momentOf(one.at), one.newsroom, one.act, one.door])
  if (acts.length > 0) terminal.out(`\n${tableOf(paint, ['When', 'Newsroom', 'Act', 'Door'], acts)}`)
  const letters = held.deliveries.length
  terminal.out(
    `\n${count(letters, 'letter')} and ${count(held.notices.length, 'notice')} still known; --json has every row.\n`,
  )
}

type ExportOptions = { newsroom: string; state?: SubscriptionState; json?: true }

/** Readers read at once, and written before the next are asked for. */
const readersAtOnce = 1_000

async function exportReaders(deps: CliDeps, options: ExportOptions): Promise<void> {
  const { terminal, surroundings } = deps
  const db = surroundings.database()
  const newsroom = await chooseNewsroom(db, options.newsroom)
  const states = options.state ? [options.state] : subscriptionStates
  if (!options.json) terminal.out(csvLine(columns.map(([name]) => name)))
  let after = '0' as SubscriptionId
  for (;;) {
    const readers = await listReaders(db, newsroom.id, { states, after, most: readersAtOnce })
    terminal.out(
      readers
        .map((reader) =>
          options.json
            ? `${JSON.stringify({ ...reader, id: undefined })}\n`
            : csvLine(columns.map(([, told]) => told(reader))),
        )
        .join(''),
    )
    const last = readers.at(-1)
    if (!last || readers.length < readersAtOnce) return
    after = last.id
  }
}

const columns: readonly (readonly [name: string, told: (reader: ListedReader) => string])[] = [
  ['address', (reader) => reader.address],
  ['state', (reader) => reader.state],
  ['language', (reader) => reader.language],
  ['frequency', (reader) => reader.frequency],
  ['topics', (reader) => reader.topics.join(' ')],
  ['paused_until', (reader) => reader.pausedUntil?.toISOString() ?? ''],
  ['requested_at', (reader) => reader.requestedAt.toISOString()],
  ['activated_at', (reader) => reader.activatedAt?.toISOString() ?? ''],
  ['ended_at', (reader) => reader.endedAt?.toISOString() ?? ''],
  ['ended_reason', (reader) => reader.endedReason ?? ''],
]

async function erase(deps: CliDeps, address: string, options: { yes?: true; json?: true }): Promise<void> {
  const { terminal, surroundings } = deps
  const hash = hashOf(deps, address)
  if (!options.yes)
    throw new Mistake('Nothing is erased yet: it cannot be undone.', [
      '`subscribers show` tells what would be; say --yes to erase it.',
    ])
  const pool = surroundings.database()
  const { addresses, ended, subscriptions } = await eraseReader(pool, hash, { door: 'operator' }, deps.now())
  await Promise.all(subscriptions.map((subscription) => untilNobodyMayBegin(pool, subscription)))
  if (options.json) return terminal.out(asJson({ found: addresses > 0, ended: ended.length }))
  const found = addresses > 0 ? 'Erased' : 'Nothing was held; now it cannot be imported either'
  terminal.out(`${terminal.paint.good('✓')} ${found}. ${count(ended.length, 'subscription')} ended.\n`)
}

async function bar(deps: CliDeps, address: string, options: { json?: true }): Promise<void> {
  const { terminal, surroundings } = deps
  const ended = await barReader(surroundings.database(), hashOf(deps, address), { door: 'operator' }, deps.now())
  if (options.json) return terminal.out(asJson({ ended: ended.length }))
  terminal.out(`${terminal.paint.good('✓')} Barred. ${count(ended.length, 'subscription')} ended.\n`)
}

async function unbar(deps: CliDeps, address: string, options: { json?: true }): Promise<void> {
  const { terminal, surroundings } = deps
  const was = await liftForOperator(surroundings.database(), hashOf(deps, address))
  if (was === 'erased')
    throw new Mistake('Its owner asked to be erased, and stays so: they can come back by signing up themselves.')
  if (options.json) return terminal.out(asJson({ was }))
  if (was === null) return terminal.out('Nothing barred it.\n')
  terminal.out(
    `${terminal.paint.good('✓')} It may be written to again; it was suppressed as ${was}. What it followed stays ended.\n`,
  )
}

const momentOf = (at: Date) => at.toISOString().slice(0, 16).replace('T', ' ')
