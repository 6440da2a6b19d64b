import { Webhook } from 'standardwebhooks'
import { uuidv7 } from 'uuidv7'
import type { Newsroom } from '../../shared/newsroom/newsroom.ts'
import { insertKey } from '../../shared/newsroom/newsroom-key.sql.ts'
import type { NewsroomKeyId } from '../../shared/newsroom/newsroom-key.ts'
import { makeSecret, sealingKeys, sealSecret } from '../../shared/newsroom/webhook-secret.ts'
import type { Db } from '../../shared/postgres/pool.ts'
import { testSecrets } from './secrets.ts'

/** A live webhook secret of a newsroom; sealed under another SECRET_KEY than the tests', it is one that does not open. */
export async function givenSecret(
  db: Db,
  newsroom: Newsroom,
  secretKeys: readonly string[] = testSecrets,
): Promise<string> {
  const secret = makeSecret()
  const id = uuidv7() as NewsroomKeyId
  await insertKey(
    db,
    newsroom.id,
    { id, label: 'test', sealed: sealSecret(sealingKeys(secretKeys), id, secret) },
    new Date(),
  )
  return secret
}

/** The headers of a webhook, signed by the Standard Webhooks project's own library. */
export function signedHeaders(secret: string, id: string, body: string, at = new Date()): Record<string, string> {
  return {
    'content-type': 'application/json',
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
    'webhook-signature': new Webhook(secret).sign(id, at, body),
  }
}

/** A release webhook's body in its least form. */
export function releaseBody(wishes: Record<string, unknown> = {}): {
  type: string
  timestamp: string
  data: Record<string, unknown>
} {
  return {
    type: 'release.published',
    timestamp: new Date().toISOString(),
    data: {
      externalId: '2024-031',
      publishedAt: '2024-03-14T10:00:00+01:00',
      zone: 'Europe/Oslo',
      languages: { nb: { title: 'Ny brygge', lead: 'Brygga står klar.', bodyHtml: '<p>Velkommen.</p>' } },
      contacts: [],
      images: [],
      documents: [],
      links: [],
      ...wishes,
    },
  }
}
