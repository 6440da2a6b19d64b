import { releaseBody, signedHeaders } from '../given/webhook.ts'
import type { Installation } from '../rig/installation.ts'
import { wallClock } from './journal.ts'
import { type Answered, isRefusal } from './readers.ts'

export type TellingKind = 'release' | 'correction' | 'withdrawal'

/** What the publisher tells: a release, or what becomes of one. */
export type Telling = {
  readonly kind: TellingKind
  /** By which the sink knows its letters: every revision has one of its own. */
  readonly title: string
  /** The publisher's own name for the release, which all its revisions share. */
  readonly externalId: string
  /** Before which no letter may begin, in milliseconds of the wall clock; null: there is none. */
  readonly hour: number | null
  /** The revision that it puts an end to. */
  readonly replaces: Published | null
}

/** A telling that was answered 2xx. */
export type Published = Telling & {
  readonly accepted: Answered
  /** The mailing it was answered with; two would be a release owed twice. */
  readonly mailings: readonly string[]
}

/** How a letter that takes a release back is headed. */
export const headedAsWithdrawn = (title: string) => `Trukket tilbake: ${title}`
/** How a letter with a correction is headed where somebody may have the text it corrects. */
export const headedAsCorrected = 'Rettelse: '

/**
 * Tells it under one webhook id until it is answered 2xx; `copies` times at once, as an impatient system does.
 * `onAnswer`: the first 2xx has come, just now.
 */
export async function publish(
  { api, newsroom }: Installation,
  run: string,
  telling: Telling,
  { copies, onAnswer }: { copies: number; onAnswer(): void },
): Promise<Published> {
  const webhookId = `chaos-${run}-${telling.title.replaceAll(/\W+/g, '-')}`
  const body = JSON.stringify(bodyOf(telling))
  const asked = wallClock()
  const mailings = new Set<string>()
  let answered: number | null = null
  const ask = async () => {
    const response = await fetch(`${api}/webhooks/newsrooms/${newsroom.slug}/releases`, {
      method: 'POST',
      headers: signedHeaders(newsroom.secret, webhookId, body),
      body,
      signal: AbortSignal.timeout(10_000),
    })
    if (response.ok && answered === null) {
      answered = wallClock()
      onAnswer()
    }
    const answer = (await response.json()) as { mailing?: { id: string } }
    if (response.ok && answer.mailing) mailings.add(answer.mailing.id)
    return response.status
  }
  for (;;) {
    const statuses = await Promise.all(Array.from({ length: copies }, () => ask().catch(() => 0)))
    const wrong = statuses.find(isRefusal)
    if (wrong !== undefined) throw new Error(`${telling.title} was answered ${wrong}`)
    if (mailings.size > 0) break
    await new Promise((resolve) => setTimeout(resolve, 150))
  }
  return { ...telling, accepted: { asked, answered: answered ?? wallClock() }, mailings: [...mailings] }
}

function bodyOf({ kind, title, externalId, hour }: Telling) {
  if (kind === 'withdrawal')
    return { type: 'release.withdrawn', timestamp: new Date().toISOString(), data: { externalId } }
  const bodyHtml = `<p>${'Brygga står klar, og alle er velkommen til å se den. '.repeat(20)}</p>`
  const languages = { nb: { title, lead: 'Brygga står klar.', bodyHtml } }
  const publishedAt = hour === null ? {} : { publishedAt: new Date(hour).toISOString() }
  const body = releaseBody({ externalId, languages, ...publishedAt })
  return kind === 'correction' ? { ...body, type: 'release.corrected' } : body
}
