import { createHash } from 'node:crypto'
import { Webhook } from 'standardwebhooks'

export type WebhookDeps = { readonly now: () => Date }

export type ReleaseWebhook = {
  readonly api: string
  readonly newsroom: string
  readonly secret: string
  /** The same id and body again get the first answer again. */
  readonly id: string
  readonly body: string
}

export type WebhookAnswer = { readonly status: number; readonly text: string; readonly retryAfter: string | null }

/** Made from the body alone, so that sending a file twice is sending one webhook twice. */
export const webhookIdOf = (body: string): string =>
  `msg_${createHash('sha256').update(body, 'utf8').digest('base64url').slice(0, 32)}`

/** Signs a release as Standard Webhooks asks and posts it to the publishers' door. */
export async function postRelease(deps: WebhookDeps, webhook: ReleaseWebhook): Promise<WebhookAnswer> {
  const at = deps.now()
  const response = await fetch(`${webhook.api}/webhooks/newsrooms/${encodeURIComponent(webhook.newsroom)}/releases`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'webhook-id': webhook.id,
      'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
      'webhook-signature': new Webhook(webhook.secret).sign(webhook.id, at, webhook.body),
    },
    body: webhook.body,
    // A signed body belongs to the door it was signed for.
    redirect: 'error',
    signal: AbortSignal.timeout(answerWithin),
  })
  return { status: response.status, text: await response.text(), retryAfter: response.headers.get('retry-after') }
}

// Twice what publishing systems usually wait, since here somebody is watching.
const answerWithin = 30_000
