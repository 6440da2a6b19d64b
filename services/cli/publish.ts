import type { Command } from 'commander'
import { liveSecrets } from '../../shared/newsroom/newsroom-key.sql.ts'
import { sealingKeys } from '../../shared/newsroom/webhook-secret.ts'
import { parseUrl } from '../../shared/web-address.ts'
import { chooseNewsroom } from './choose-newsroom.ts'
import type { CliDeps } from './cli-deps.ts'
import { Mistake, usageMistake } from './mistake.ts'
import { tellAcceptance, tellRefusal } from './publish-words.ts'
import { readRelease } from './release-file.ts'
import { postRelease, type WebhookAnswer, webhookIdOf } from './webhook.ts'

/** `publish`: does what a publishing system does, from a file. */
export function addPublishCommand(program: Command, deps: CliDeps): void {
  program
    .command('publish')
    .description('send a release to the publishers’ door, signed, as a publishing system would')
    .argument('<file>', 'the webhook body in JSON, or - for standard input')
    .option('--newsroom <slug>', 'whose release it is (default: the sample newsroom of `npm start`)')
    .option('--api <url>', 'where the API is (default: PUBLIC_URL, or what `npm start` runs)')
    .option('--secret <whsec>', 'sign with this; better in PRESSEBUD_SECRET, where no process list shows it')
    .option('--id <webhook-id>', 'the webhook-id (default: made from the content)')
    .option('--json', 'show the raw answer')
    .addHelpText('after', examples)
    .action((file: string, options: PublishOptions) => publish(deps, file, options))
}

const examples = `
Publishing the same file again is safe: it gets the first answer again and nobody is written to twice.
Without a secret, a live key of the newsroom is looked up through DATABASE_URL and SECRET_KEY.
Where the file says {{publicUrl}}, the API's address is written.

Examples:
  pressebud publish examples/release.json
  PRESSEBUD_SECRET=whsec_… pressebud publish release.json --newsroom havna --api https://press.havna.example
`

type PublishOptions = { newsroom?: string; api?: string; secret?: string; id?: string; json?: true }

async function publish(deps: CliDeps, file: string, options: PublishOptions): Promise<void> {
  const { terminal, surroundings } = deps
  const api = apiFor(options.api ?? surroundings.api)
  const newsroom = options.newsroom ?? surroundings.standalone?.sampleNewsroom
  if (!newsroom) throw usageMistake('Say whose release it is with --newsroom SLUG.')
  if (options.id?.includes('.') || options.id === '')
    throw usageMistake(
      'A webhook-id holds at least one character and no full stop: the signature uses it to part its fields.',
    )
  const release = await readRelease(file, terminal.input, api)
  const secret = await secretFor(deps, newsroom, options.secret)
  const id = options.id ?? webhookIdOf(release.text)
  const answer = await post(deps, { api, newsroom, secret, id, body: release.text })
  if (options.json) terminal.out(answer.text.endsWith('\n') ? answer.text : `${answer.text}\n`)
  if (answer.status >= 300) throw tellRefusal(answer)
  if (!options.json) terminal.out(tellAcceptance(terminal.paint, { newsroom, release, answer }))
}

function apiFor(url: string | null): string {
  if (url === null)
    throw usageMistake('Where is the API?', 'Say so with --api URL or PUBLIC_URL, or run `npm start` here first.')
  if (!/^https?:$/.test(parseUrl(url)?.protocol ?? ''))
    throw usageMistake(`“${url}” is not a web address.`, 'Write it as http://127.0.0.1:3000')
  return url.replace(/\/+$/, '')
}

async function secretFor({ surroundings, now }: CliDeps, slug: string, given: string | undefined): Promise<string> {
  const secret = given ?? surroundings.webhookSecret
  if (secret) {
    // 24 to 64 bytes, as Standard Webhooks has it.
    const bytes = /^whsec_[A-Za-z0-9+/]+=*$/.test(secret) ? Buffer.from(secret.slice(6), 'base64').length : 0
    if (bytes < 24 || bytes > 64)
      throw usageMistake('That is not a webhook secret.', 'It starts with whsec_, as `pressebud key create` shows it.')
    return secret
  }
  if (!surroundings.hasDatabase)
    throw usageMistake(
      'There is nothing to sign with.',
      'Set PRESSEBUD_SECRET, or DATABASE_URL and SECRET_KEY to look a key up.',
    )
  const db = surroundings.database()
  const newsroom = await chooseNewsroom(db, slug)
  const [newest] = await liveSecrets(db, sealingKeys(surroundings.secretKeys()), newsroom.id, now())
  if (newest === undefined)
    throw new Mistake(`${newsroom.name} has no live key.`, [
      `Make one: pressebud key create --newsroom ${newsroom.slug} --label cms`,
    ])
  return newest
}

async function post(deps: CliDeps, webhook: Parameters<typeof postRelease>[1]): Promise<WebhookAnswer> {
  try {
    return await postRelease(deps, webhook)
  } catch {
    // fetch tells everything from a closed port to a slow answer alike; whichever it was, the remedy is one.
    throw new Mistake(`There was no answer from ${webhook.api}.`, [
      'Is Pressebud running there? When it is, publish the same file again: that is safe, whether or not it arrived.',
    ])
  }
}
