import { createInterface } from 'node:readline'
import type { Command } from 'commander'
import { isLanguage, languages } from '../../shared/language/language.ts'
import { addressHashKey } from '../../shared/subscriber/address-hash.ts'
import { addReaders, type ImportTally, type Unreadable } from '../../shared/subscription/add-readers.sql.ts'
import { countSubscriptions, type SubscriptionCount } from '../../shared/subscription/count-subscriptions.sql.ts'
import { chooseNewsroom } from './choose-newsroom.ts'
import type { CliDeps } from './cli-deps.ts'
import { Mistake, usageMistake } from './mistake.ts'
import { drawProgress } from './progress.ts'
import { addReaderCommands } from './reader-commands.ts'
import { asJson, count, plain, tableOf } from './terminal.ts'

/** `subscribers add`, `count`, and those about readers one by one. */
export function addSubscriberCommands(program: Command, deps: CliDeps): void {
  const subscribers = program.command('subscribers').description('the readers of a newsroom')

  subscribers
    .command('add')
    .description('add readers who have already agreed elsewhere, without asking them again')
    .argument('<address...>', 'their addresses, or - to read one a line from standard input')
    .requiredOption('--newsroom <slug>', 'whom they follow')
    .requiredOption('--language <tag>', `the language they read: ${languages.join(', ')}`)
    .requiredOption('--source <text>', 'where they agreed and where that can be shown; kept as evidence')
    .option('--json', 'answer in JSON')
    .addHelpText('after', addExamples)
    .action((addresses: string[], options: AddOptions) => add(deps, addresses, options))

  subscribers
    .command('count')
    .description('how many readers a newsroom has, by language')
    .requiredOption('--newsroom <slug>', 'whose readers')
    .option('--json', 'answer in JSON')
    .action((options: { newsroom: string; json?: true }) => countReaders(deps, options))

  addReaderCommands(subscribers, deps)
}

const addExamples = `
Whoever has left stays away, whoever is suppressed stays so, and whoever follows already is not added twice.

Examples:
  pressebud subscribers add ada@example.com --newsroom havna --language nb \\
    --source "Paper list at the harbour meeting, 3 May 2026, archive 26/118"
  pressebud subscribers add - --newsroom havna --language nb \\
    --source "Moved from our former sender, export of 1 June 2026" < addresses.txt
`

type AddOptions = { newsroom: string; language: string; source: string; json?: true }

async function add(deps: CliDeps, addresses: readonly string[], options: AddOptions): Promise<void> {
  const { terminal, surroundings } = deps
  const { language } = options
  const source = plain(options.source).trim()
  if (source.length < 10)
    throw usageMistake('--source must tell where these readers agreed, so that it can be shown to whoever asks.')
  if (!isLanguage(language)) throw usageMistake(`“${language}” is not one of ${languages.join(', ')}.`)
  const hashKey = addressHashKey(surroundings.secretKeys())
  const pool = surroundings.database()
  const newsroom = await chooseNewsroom(pool, options.newsroom)
  if (!newsroom.languages.includes(language))
    throw new Mistake(`${newsroom.name} does not write in ${language}.`, [
      `It writes in ${newsroom.languages.join(', ')}.`,
    ])

  const unreadable: Unreadable[] = []
  const line = drawProgress(terminal)
  const fromInput = addresses.length === 1 && addresses[0] === '-'
  const tally = await addReaders(
    { pool, hashKey, now: deps.now },
    { newsroom, language, source },
    fromInput ? createInterface({ input: terminal.input, crlfDelay: Number.POSITIVE_INFINITY }) : addresses,
    {
      progress: ({ read, added }) =>
        line.show(`${count(read, 'address', 'addresses')} read, ${count(added, 'reader')} added`),
      unreadable: (one) => {
        if (unreadable.length < shownAtMost) unreadable.push(one)
      },
    },
  ).finally(line.clear)

  if (options.json) terminal.out(asJson({ ...tally, unreadable }))
  else tell(deps, newsroom.name, tally)
  if (tally.notValid === 0) return
  const shown = unreadable.map(({ line, text }) => `${fromInput ? `Line ${line}: ` : ''}${plain(text).slice(0, 100)}`)
  const more = tally.notValid - shown.length
  throw new Mistake(`${count(tally.notValid, 'address is', 'addresses are')} not valid; the others were dealt with.`, [
    ...shown,
    ...(more > 0 ? [`… and ${more} more`] : []),
  ])
}

const shownAtMost = 10

function tell({ terminal }: CliDeps, newsroom: string, tally: ImportTally): void {
  const mark = tally.added > 0 ? terminal.paint.good('✓') : '·'
  terminal.out(`${mark} ${count(tally.added, 'reader')} added to ${newsroom}.\n`)
  const others: [number, string][] = [
    [tally.alreadyFollowing, 'followed already'],
    [tally.awaitingConfirmation, 'asked for themselves and have yet to confirm: left so'],
    [tally.left, 'left earlier: not brought back'],
    [tally.suppressed, 'suppressed: not added'],
  ]
  for (const [n, what] of others) if (n > 0) terminal.out(`  ${count(n, 'reader')} ${what}.\n`)
}

async function countReaders(deps: CliDeps, options: { newsroom: string; json?: true }): Promise<void> {
  const { terminal, surroundings } = deps
  const db = surroundings.database()
  const newsroom = await chooseNewsroom(db, options.newsroom)
  const counts = await countSubscriptions(db, newsroom.id)
  if (options.json) return terminal.out(asJson(counts))
  if (counts.length === 0) return terminal.out(`${newsroom.name} has no readers yet.\n`)
  const states = ['active', 'pending', 'ended'] as const
  const inLanguage = (language: string) =>
    states.map((state) => String(sumOf(counts.filter((row) => row.state === state && row.language === language))))
  const rows = [...new Set(counts.map((row) => row.language))].sort().map((tag) => [tag, ...inLanguage(tag)])
  const totals = states.map((state) => String(sumOf(counts.filter((row) => row.state === state))))
  terminal.out(tableOf(terminal.paint, ['Language', 'Active', 'Pending', 'Ended'], [...rows, ['all', ...totals]]))
}

const sumOf = (counts: readonly SubscriptionCount[]) => counts.reduce((sum, row) => sum + row.readers, 0)
