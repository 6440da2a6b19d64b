import { releaseBody, signedHeaders } from '../given/webhook.ts'
import type { Installation } from '../rig/installation.ts'
import { wallClock } from './journal.ts'
import type { Answered } from './readers.ts'

/** A release, its webhook and what it was answered. */
export type Published = {
  /** The title, by which the sink knows its letters. */
  readonly title: string
  readonly accepted: Answered
  /** The mailing it was answered with; two would be a release owed twice. */
  readonly mailings: readonly string[]
}

/** Publishes under one webhook id until it is answered 2xx; `copies` times at once, as an impatient system does. */
export async function publish(
  { api, newsroom }: Installation,
  run: string,
  title: string,
  copies: number,
): Promise<Published> {
  const webhookId = `chaos-${run}-${title.replaceAll(' ', '-')}`
  const bodyHtml = `<p>${'Brygga står klar, og alle er velkommen til å se den. '.repeat(20)}</p>`
  const languages = { nb: { title, lead: 'Brygga står klar.', bodyHtml } }
  const body = JSON.stringify(releaseBody({ externalId: webhookId, languages }))
  const asked = wallClock()
  const mailings = new Set<string>()
  const ask = async () => {
    const response = await fetch(`${api}/webhooks/newsrooms/${newsroom.slug}/releases`, {
      method: 'POST',
      headers: signedHeaders(newsroom.secret, webhookId, body),
      body,
      signal: AbortSignal.timeout(10_000),
    })
    const answer = (await response.json()) as { mailing?: { id: string } }
    if (response.ok && answer.mailing) mailings.add(answer.mailing.id)
    return response.status
  }
  for (;;) {
    const statuses = await Promise.all(Array.from({ length: copies }, () => ask().catch(() => 0)))
    const wrong = statuses.find((status) => status >= 400 && status < 500 && status !== 429)
    if (wrong !== undefined) throw new Error(`the release was answered ${wrong}`)
    if (mailings.size > 0) break
    await new Promise((resolve) => setTimeout(resolve, 150))
  }
  return { title, accepted: { asked, answered: wallClock() }, mailings: [...mailings] }
}
