import type { FastifyInstance } from 'fastify'
import { buildApi } from '../../services/api/app.ts'
import { sealShown } from '../../services/api/reader/form-age.ts'
import type { ReaderDeps } from '../../services/api/reader/reader-deps.ts'
import { linkKeys, sealToken } from '../../shared/links/token.ts'
import { openLog } from '../../shared/log/log.ts'
import type { Newsroom } from '../../shared/newsroom/newsroom.ts'
import { sealingKeys } from '../../shared/newsroom/webhook-secret.ts'
import type { NoticeId } from '../../shared/notice/notice.ts'
import { confirmationNumbers } from '../../shared/notice/notice-token.ts'
import type { Pool } from '../../shared/postgres/pool.ts'
import { insertRelease } from '../../shared/release/release.sql.ts'
import type { ReleaseContent, ReleaseId, ReleaseKind } from '../../shared/release/release.ts'
import { addressHashKey } from '../../shared/subscriber/address-hash.ts'
import type { SubscriptionId } from '../../shared/subscription/subscription.ts'
import { sampleRelease } from '../given/mailing.ts'
import { testSecrets } from '../given/secrets.ts'

/** The whole public door as readers meet it, and what a test wants to know of what it did. */
export type ReaderHouse = {
  readonly app: FastifyInstance
  readonly deps: ReaderDeps
  readonly clock: { now: Date }
  readonly woken: NoticeId[]
  readonly optedOut: SubscriptionId[]
}

export async function readerHouse(
  pool: Pool,
  changes: Partial<ReaderDeps> = {},
  { trustProxy = ['127.0.0.1'] }: { trustProxy?: readonly string[] } = {},
): Promise<ReaderHouse> {
  const clock = { now: new Date() }
  const woken: NoticeId[] = []
  const optedOut: SubscriptionId[] = []
  const log = openLog('test', 'silent')
  const deps: ReaderDeps = {
    pool,
    now: () => clock.now,
    log,
    links: linkKeys(testSecrets),
    addressHashKey: addressHashKey(testSecrets),
    publicUrl: 'https://press.example',
    signUpsPerHour: 1_000,
    signUpCeilings: { newsroom: 1_000_000, installation: 1_000_000 },
    wakeNotice: (id) => woken.push(id),
    afterOptOut: async (id) => void optedOut.push(id),
    ...changes,
  }
  const app = await buildApi({
    ...{ log, trustProxy, publicUrl: deps.publicUrl, filesDir: null },
    queueAnswers: async () => true,
    publisher: { pool, now: deps.now, log: deps.log, wake: () => {}, sealingKeys: sealingKeys(testSecrets) },
    reader: deps,
  })
  return { app, deps, clock, woken, optedOut }
}

export type GivenRelease = {
  readonly kind?: ReleaseKind
  readonly publishedAt?: Date
  readonly topics?: readonly string[]
  readonly content?: Partial<ReleaseContent>
  /** When it came; not given: at its hour, and what was withdrawn a moment later. */
  readonly receivedAt?: Date
}

export async function givenRelease(pool: Pool, newsroom: Newsroom, given: GivenRelease = {}): Promise<ReleaseId> {
  const kind = given.kind ?? 'release'
  const publishedAt = given.publishedAt ?? new Date(Date.now() - 60_000)
  const languages = { nb: { title: 'Ny ferje', lead: 'Den går på strøm.', bodyHtml: '<p>Ferja går fra mandag.</p>' } }
  const content = { languages, contacts: [], images: [], documents: [], links: [], ...given.content }
  const release = sampleRelease(newsroom, { kind, publishedAt, topics: given.topics ?? [], content })
  const receivedAt = new Date(publishedAt.getTime() + (kind === 'withdrawal' ? 1 : 0))
  await insertRelease(pool, release, given.receivedAt ?? receivedAt)
  return release.id
}

/** What a reader's browser posts from the page of a newsroom. */
export const postForm = (house: ReaderHouse, url: string, fields: Record<string, string>, headers = {}) =>
  house.app.inject({
    method: 'POST',
    url,
    headers: { accept: 'text/html', 'content-type': 'application/x-www-form-urlencoded', ...headers },
    payload: new URLSearchParams(fields).toString(),
  })

/** The form as its page shows it, filled in by somebody who took a moment over it. */
export const follow = (
  house: ReaderHouse,
  newsroom: Newsroom,
  email: string,
  more: Record<string, string> = {},
  headers = {},
) =>
  postForm(
    house,
    `/newsrooms/${newsroom.slug}/subscriptions`,
    { email, shown: shownAWhileAgo(house, newsroom), ...more },
    headers,
  )

export const shownAWhileAgo = (house: ReaderHouse, newsroom: Newsroom) =>
  sealShown(house.deps.links, newsroom.id, new Date(house.clock.now.getTime() - 20_000))

export type HeldSubscription = {
  id: SubscriptionId
  state: string
  requested_at: Date
  language: string
  ended_reason: string | null
}

export async function subscriptionOf(pool: Pool, newsroom: Newsroom, key: string): Promise<HeldSubscription> {
  const { rows } = await pool.query<HeldSubscription>(
    `select s.id, s.state, s.requested_at, s.language, s.ended_reason
       from subscriptions s join subscribers r on r.id = s.subscriber_id
      where s.newsroom_id = $1 and r.address_key = $2`,
    [newsroom.id, key],
  )
  return rows[0]!
}

/** The token the confirmation letter would carry. */
export async function confirmToken(house: ReaderHouse, newsroom: Newsroom, key: string): Promise<string> {
  const held = await subscriptionOf(house.deps.pool, newsroom, key)
  const numbers = confirmationNumbers({ id: held.id, requestedAt: held.requested_at }, house.clock.now)
  return sealToken(house.deps.links, 'confirm', numbers)
}

export async function givenFollower(house: ReaderHouse, newsroom: Newsroom, email: string): Promise<HeldSubscription> {
  await follow(house, newsroom, email)
  await postForm(house, `/confirm/${await confirmToken(house, newsroom, email)}`, {})
  return subscriptionOf(house.deps.pool, newsroom, email)
}

/** Every row a reader's act could change, as one text. */
export async function rowsOf(pool: Pool): Promise<string> {
  const tables = ['subscribers', 'subscriptions', 'consent_log', 'notices', 'suppressions', 'deliveries']
  const { rows } = await pool.query<{ all: string }>(
    tables
      .map((table) => `select coalesce(jsonb_agg(t order by t::text)::text, '') as all from ${table} t`)
      .join(' union all '),
  )
  return rows.map((row) => row.all).join('\n')
}
