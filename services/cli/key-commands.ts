import type { Command } from 'commander'
import { uuidv7 } from 'uuidv7'
import { endKey, insertKey, listKeys } from '../../shared/newsroom/newsroom-key.sql.ts'
import { isLive, type NewsroomKey, type NewsroomKeyId } from '../../shared/newsroom/newsroom-key.ts'
import { makeSecret, sealingKeys, sealSecret } from '../../shared/newsroom/webhook-secret.ts'
import { chooseNewsroom } from './choose-newsroom.ts'
import type { CliDeps } from './cli-deps.ts'
import { Mistake, usageMistake } from './mistake.ts'
import { asJson, tableOf } from './terminal.ts'

/** `key create`, `list`, `end`. */
export function addKeyCommands(program: Command, deps: CliDeps): void {
  const key = program.command('key').description('the secrets a newsroom signs its webhooks with')

  key
    .command('create')
    .description('make a secret and show it, once')
    .requiredOption('--newsroom <slug>', 'whose it is')
    .requiredOption('--label <text>', 'what will use it, for you to know it by')
    .option('--json', 'answer in JSON')
    .addHelpText('after', '\nExample:\n  pressebud key create --newsroom havna --label "CMS, production"\n')
    .action((options: { newsroom: string; label: string; json?: true }) => create(deps, options))

  key
    .command('list')
    .description('the keys of a newsroom, newest first; never their secrets')
    .requiredOption('--newsroom <slug>', 'whose they are')
    .option('--json', 'answer in JSON')
    .action((options: { newsroom: string; json?: true }) => list(deps, options))

  key
    .command('end')
    .description('let a key sign no more, now or at a later hour')
    .argument('<id>', 'the key, as `key list` names it')
    .option('--at <instant>', 'when, with its offset: 2027-01-31T12:00+01:00 (default: now)')
    .option('--json', 'answer in JSON')
    .addHelpText('after', endExamples)
    .action((id: string, options: { at?: string; json?: true }) => end(deps, id, options))
}

const endExamples = `
To change a secret without missing a release:
  pressebud key create --newsroom havna --label "CMS, from February"
  … put the new secret into the CMS …
  pressebud key end 01935a7e-… --at 2027-02-01T12:00+01:00
Both sign until then.
`

async function create(deps: CliDeps, options: { newsroom: string; label: string; json?: true }): Promise<void> {
  const { terminal, surroundings, now } = deps
  const label = options.label.trim()
  if (label === '') throw usageMistake('A key needs a label, for you to know it by.')
  const keys = sealingKeys(surroundings.secretKeys())
  const db = surroundings.database()
  const newsroom = await chooseNewsroom(db, options.newsroom)
  const id = uuidv7() as NewsroomKeyId
  const secret = makeSecret()
  await insertKey(db, newsroom.id, { id, label, sealed: sealSecret(keys, id, secret) }, now())
  if (options.json) return terminal.out(asJson({ id, newsroom: newsroom.slug, label, secret }))
  terminal.out(`${secret}\n`)
  terminal.err(
    `Key ${id} of ${newsroom.slug}. This is the only time its secret is shown: copy it to where it is used.\n`,
  )
}

async function list(deps: CliDeps, options: { newsroom: string; json?: true }): Promise<void> {
  const { terminal, surroundings } = deps
  const db = surroundings.database()
  const newsroom = await chooseNewsroom(db, options.newsroom)
  const keys = await listKeys(db, newsroom.id)
  const now = deps.now()
  if (options.json) return terminal.out(asJson(keys.map((key) => ({ ...key, live: isLive(key, now) }))))
  if (keys.length === 0)
    return terminal.out(
      `${newsroom.name} has no key yet: pressebud key create --newsroom ${newsroom.slug} --label cms\n`,
    )
  const rows = keys.map((key) => [key.id, key.label, minuteOf(key.createdAt), standingOf(key, now)])
  terminal.out(tableOf(terminal.paint, ['Key', 'Label', 'Made', 'Signs'], rows))
}

async function end(deps: CliDeps, text: string, options: { at?: string; json?: true }): Promise<void> {
  const { terminal, surroundings } = deps
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text))
    throw usageMistake(`“${text}” is not a key.`, '`pressebud key list --newsroom SLUG` shows their ids.')
  const now = deps.now()
  const at = options.at === undefined ? now : instantOf(options.at)
  if (at < now) throw usageMistake('A key cannot have ended in the past.', 'Leave --at out to end it now.')
  const key = await endKey(surroundings.database(), text as NewsroomKeyId, at, now)
  if (!key) throw new Mistake('There is no such key, or it has ended already.')
  if (options.json) return terminal.out(asJson(key))
  const when = at > now ? `signs until ${minuteOf(at)}, and then no more` : 'signs no more'
  terminal.out(`${terminal.paint.good('✓')} Key “${key.label}” ${when}.\n`)
}

// Without its offset an instant would mean one hour here and another on the server.
function instantOf(text: string): Date {
  const at = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d)$/.test(text) ? new Date(text) : null
  if (!at || Number.isNaN(at.getTime()))
    throw usageMistake(`“${text}” is not an instant.`, 'Write it with its offset: 2027-01-31T12:00+01:00')
  return at
}

function standingOf(key: NewsroomKey, now: Date): string {
  if (key.endedAt === null) return 'yes'
  return isLive(key, now) ? `until ${minuteOf(key.endedAt)}` : `no, since ${minuteOf(key.endedAt)}`
}

const minuteOf = (at: Date) => `${at.toISOString().slice(0, 16).replace('T', ' ')} UTC`
