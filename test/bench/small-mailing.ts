import { uuidv7 } from 'uuidv7'
import { insertKey } from '../../shared/newsroom/newsroom-key.sql.ts'
import type { NewsroomKeyId } from '../../shared/newsroom/newsroom-key.ts'
import { makeSecret, sealingKeys, sealSecret } from '../../shared/newsroom/webhook-secret.ts'
import { givenNewsroom } from '../given/newsroom.ts'
import { testSecrets } from '../given/secrets.ts'
import { releaseBody, signedHeaders } from '../given/webhook.ts'
import type { Installation } from '../rig/installation.ts'

export type SmallMailing = { readonly smallFirstMs: number; readonly smallLastMs: number }

const readers = 200

/**
 * Publishes a release of another newsroom with 200 readers while the great mailing runs: from its answer to its first
 * and to its last recorded acceptance.
 */
export async function sendSmallMailing({ pool, api }: Installation): Promise<SmallMailing> {
  const newsroom = await givenNewsroom(pool)
  const secret = makeSecret()
  const id = uuidv7() as NewsroomKeyId
  await insertKey(
    pool,
    newsroom.id,
    { id, label: 'bench', sealed: sealSecret(sealingKeys(testSecrets), id, secret) },
    new Date(),
  )
  await pool.query(
    `insert into subscriptions (newsroom_id, subscriber_id, state, language, requested_at, activated_at)
     select $1, id, 'active', 'nb', now(), now() from subscribers order by id limit $2`,
    [newsroom.id, readers],
  )
  const body = JSON.stringify(releaseBody({ externalId: 'small' }))
  const response = await fetch(`${api}/webhooks/newsrooms/${newsroom.slug}/releases`, {
    method: 'POST',
    headers: signedHeaders(secret, 'bench-small', body),
    body,
  })
  const answeredAt = Date.now()
  const { mailing } = (await response.json()) as { mailing: { id: string } }
  for (;;) {
    const { rows } = await pool.query<{ state: string; first: number; last: number }>(
      `select m.state, extract(epoch from min(d.at))::float8 * 1000 as first, extract(epoch from max(d.at))::float8 * 1000 as last
         from mailings m left join deliveries d on d.mailing_id = m.id where m.id = $1 group by m.state`,
      [mailing.id],
    )
    const { state, first, last } = rows[0]!
    if (state === 'done')
      return { smallFirstMs: Math.round(first - answeredAt), smallLastMs: Math.round(last - answeredAt) }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
