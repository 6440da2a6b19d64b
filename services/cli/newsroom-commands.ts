import type { Command } from 'commander'
import { languages } from '../../shared/language/language.ts'
import { insertNewsroom, listNewsrooms } from '../../shared/newsroom/newsroom.sql.ts'
import { countSubscriptions } from '../../shared/subscription/count-subscriptions.sql.ts'
import { chooseNewsroom } from './choose-newsroom.ts'
import type { CliDeps } from './cli-deps.ts'
import { Mistake } from './mistake.ts'
import { type NewsroomOptions, newsroomFrom } from './newsroom-draft.ts'
import { updateNewsroomBy } from './newsroom-update.ts'
import { addSnippetCommand } from './snippet-command.ts'
import { asJson, count, factsOf, tableOf } from './terminal.ts'

/** `newsroom create`, `update`, `list`, `show`, `snippet`. */
export function addNewsroomCommands(program: Command, deps: CliDeps): void {
  const newsroom = program.command('newsroom').description('publishers: their words, looks and sender identity')

  withNewsroomOptions(
    newsroom
      .command('create')
      .description('make a newsroom, from a file or from options')
      .argument('[slug]', 'its name in addresses: lower-case letters, digits and hyphens'),
  )
    .addHelpText('after', createExamples)
    .action((slug: string | undefined, options: NewsroomOptions & { json?: true }) => create(deps, slug, options))

  withNewsroomOptions(
    newsroom
      .command('update')
      .description('change a newsroom: what neither the file nor an option speaks of stays as it is')
      .argument('<slug>'),
  )
    .addHelpText('after', updateExamples)
    .action((slug: string, options: NewsroomOptions & { json?: true }) => updateNewsroomBy(deps, slug, options))

  newsroom
    .command('list')
    .description('every newsroom')
    .option('--json', 'answer in JSON')
    .action((options: { json?: true }) => list(deps, options))

  newsroom
    .command('show')
    .description('one newsroom in full, with its number of readers')
    .argument('<slug>')
    .option('--json', 'answer in JSON')
    .action((slug: string, options: { json?: true }) => show(deps, slug, options))

  addSnippetCommand(newsroom, deps)
}

const withNewsroomOptions = (command: Command) =>
  command
    .option('--file <json>', 'take everything from this file; options given beside it win')
    .option('--name <name>', 'its name, as readers know it')
    .option('--languages <list>', `languages it writes in, by comma: ${languages.join(', ')}`)
    .option('--default-language <tag>', 'the one to fall back on (at first: the first)')
    .option('--zone <zone>', 'its time zone (at first: Europe/Oslo)')
    .option('--sender-address <address>', 'the address in From')
    .option('--sender-name <name>', 'the name before it (at first: the name)')
    .option('--reply-to <address>', 'where answers go')
    .option('--legal-name <name>', 'who writes, by law (at first: the name)')
    .option('--postal-address <text>', 'where they can be found, by law')
    .option('--website <url>', 'its own pages')
    .option('--logo-url <url>', 'its logo')
    .option('--accent <colour>', 'its colour, as #rrggbb (at first: #1f4e79)')
    .option('--digest-hour <hour>', 'the hour its digests leave, in its own zone (at first: 8)')
    .option('--digest-weekday <day>', 'the day weekly ones leave, 1 is Monday (at first: 1)')
    .option('--allowed-origins <list>', 'web origins whose pages may ask by script to follow, by comma')
    .option('--json', 'answer in JSON')

const createExamples = `
Examples:
  pressebud newsroom create --file examples/newsroom.json
  pressebud newsroom create havna --name "Havna kommune" --languages nb,nn \\
    --sender-address presse@havna.example --postal-address "Kaien 1, 9990 Havna"
`

const updateExamples = `
Examples:
  pressebud newsroom update havna --accent "#0b5c6b" --logo-url https://havna.example/logo.png
  pressebud newsroom update havna --file topics.json

Topics are told in a file: {"topics": [{"id": "harbour", "names": {"nb": "Havn", "nn": "Hamn"}}]}
The list in the file is the whole list; a topic that is not in it is removed.
`

async function create(
  deps: CliDeps,
  slug: string | undefined,
  options: NewsroomOptions & { json?: true },
): Promise<void> {
  const { terminal, surroundings, now } = deps
  const newsroom = newsroomFrom(slug, options, surroundings.api)
  if (!(await insertNewsroom(surroundings.database(), newsroom, now())))
    throw new Mistake(`There is already a newsroom “${newsroom.slug}”.`, [
      `See it: pressebud newsroom show ${newsroom.slug}`,
    ])
  if (options.json) return terminal.out(asJson(newsroom))
  terminal.out(`${terminal.paint.good('✓')} ${newsroom.name} is a newsroom now, known as ${newsroom.slug}.\n`)
  terminal.out(`  Next, a key to publish with: pressebud key create --newsroom ${newsroom.slug} --label cms\n`)
}

async function list({ terminal, surroundings }: CliDeps, options: { json?: true }): Promise<void> {
  const newsrooms = await listNewsrooms(surroundings.database())
  if (options.json) return terminal.out(asJson(newsrooms))
  if (newsrooms.length === 0)
    return terminal.out('There is no newsroom yet. Make one with `pressebud newsroom create`.\n')
  const rows = newsrooms.map((one) => [one.slug, one.name, one.languages.join(', '), one.senderAddress])
  terminal.out(tableOf(terminal.paint, ['Slug', 'Name', 'Languages', 'Sender'], rows))
}

async function show({ terminal, surroundings }: CliDeps, slug: string, options: { json?: true }): Promise<void> {
  const db = surroundings.database()
  const newsroom = await chooseNewsroom(db, slug)
  const counts = await countSubscriptions(db, newsroom.id)
  const readers = counts.filter(({ state }) => state === 'active').reduce((sum, row) => sum + row.readers, 0)
  if (options.json) return terminal.out(asJson({ ...newsroom, readers }))
  const optional = (name: string, value: string | null): [string, string][] => (value === null ? [] : [[name, value]])
  terminal.out(
    factsOf(terminal.paint, [
      ['Slug', newsroom.slug],
      ['Name', newsroom.name],
      ['Readers', count(readers, 'reader')],
      [
        'Languages',
        newsroom.languages.map((one) => (one === newsroom.defaultLanguage ? `${one} (default)` : one)).join(', '),
      ],
      ['Time zone', newsroom.zone],
      ['From', `${newsroom.senderName} <${newsroom.senderAddress}>`],
      ...optional('Reply to', newsroom.replyTo),
      ['Legal name', newsroom.legalName],
      ['Address', newsroom.postalAddress],
      ...optional('Website', newsroom.website),
      ...optional('Logo', newsroom.logoUrl),
      ['Accent', newsroom.accent],
      ['Digests', `at ${newsroom.digestHour}:00; weekly ones on day ${newsroom.digestWeekday}`],
      ...optional('Topics', newsroom.topics.length > 0 ? newsroom.topics.map(({ id }) => id).join(', ') : null),
      ...optional('Origins', newsroom.allowedOrigins.length > 0 ? newsroom.allowedOrigins.join(', ') : null),
      ...Object.entries(newsroom.about).map(([language, text]): [string, string] => [`About (${language})`, text]),
    ]),
  )
}
