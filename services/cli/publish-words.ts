import { Mistake } from './mistake.ts'
import type { ReleaseBody } from './release-file.ts'
import { type Paint, plain } from './terminal.ts'
import type { WebhookAnswer } from './webhook.ts'

/** What the publishers' door answers; what it leaves out is simply not spoken of. */
type Acceptance = { readonly mailing?: { readonly state?: string }; readonly detail?: string }

type Problem = {
  readonly title?: string
  readonly detail?: string
  readonly errors?: readonly { readonly pointer?: string; readonly detail?: string }[]
}

type Accepted = { readonly newsroom: string; readonly release: ReleaseBody; readonly answer: WebhookAnswer }

/** What happens now, for whoever pressed the key. */
export function tellAcceptance(paint: Paint, { newsroom, release, answer }: Accepted): string {
  const lines = [
    `${paint.good('✓')} ${plain(release.externalId ?? 'The release')} of ${plain(newsroom)} is accepted.`,
    ...release.titles.map((title) => `  ${paint.dim(plain(title))}`),
    `  ${plain(whatFollows(release, jsonOf<Acceptance>(answer.text)))}`,
  ]
  return `${lines.join('\n')}\n`
}

function whatFollows(release: ReleaseBody, { mailing, detail }: Acceptance): string {
  if (mailing?.state === 'embargoed' && release.publishedAt !== null)
    return `It is under embargo: nothing leaves and nothing is shown before ${hourOf(release.publishedAt, release.zone ?? 'UTC')}.`
  if (mailing?.state === 'accepted')
    return 'Each reader who follows the newsroom now gets one letter, in their language.'
  return detail ?? ''
}

function hourOf(instant: string, zone: string): string {
  const hour = new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeStyle: 'short', timeZone: zone })
  return `${hour.format(new Date(instant))} (${zone})`
}

/** Why the door turned the release away, as it says so itself. */
export function tellRefusal(answer: WebhookAnswer): Mistake {
  const problem = jsonOf<Problem>(answer.text)
  // A problem with faults repeats them in its detail; here they have lines of their own.
  const why = plain((problem.errors ? problem.title : problem.detail) ?? `It answered ${answer.status}.`)
  const faults = (problem.errors ?? []).map(({ pointer, detail }) => plain(`${pointer || '/'}  ${detail ?? ''}`))
  return new Mistake(`The release was not accepted. ${why}`, [...faults, ...remediesFor(answer)])
}

function remediesFor({ status, retryAfter }: WebhookAnswer): string[] {
  if (status === 401)
    return ['Check that the secret is a live key of this newsroom, and that this machine’s clock is right.']
  if (status !== 429 && status < 500) return []
  const wait = /^\d+$/.test(retryAfter ?? '') ? ` in ${retryAfter} seconds` : ''
  return [`Publish the same file again${wait}: that is safe.`]
}

function jsonOf<Form>(text: string): Form {
  try {
    const value: unknown = JSON.parse(text)
    return (typeof value === 'object' && value !== null ? value : {}) as Form
  } catch {
    return {} as Form
  }
}
