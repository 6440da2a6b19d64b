import { linkKeys, sealToken } from '../../shared/links/token.ts'
import type { Pool } from '../../shared/postgres/pool.ts'
import { givenNewsroom } from '../given/newsroom.ts'
import { testSecrets } from '../given/secrets.ts'
import { loadCrowd } from '../rig/crowd.ts'
import { wallClock } from './journal.ts'

/** A span in which something took effect: asked at the first instant, answered 2xx at the second. */
export type Answered = { readonly asked: number; readonly answered: number }

/**
 * A reader as the harness knows them. `follows` and `left` are what their own requests were answered; nothing here is
 * read back from the installation.
 */
export type Reader = {
  readonly address: string
  /** `from-the-start`, or when their confirmation was answered, or not yet. */
  follows: 'from-the-start' | Answered | null
  left: { asked: number; answered: number | null } | null
  /** The link in the last letter they got. */
  leaveUrl: string | null
  readonly confirmPath: string | null
  /** Whether releases come to them in digests. */
  readonly readsDigests: boolean
}

/** One in so many asked to follow and has not confirmed yet; one in so many had left before everything. */
const pendingEvery = 20
const goneEvery = 50
/** One in so many follows by the day. Neither of the two above is among them: the third of ten, and not the first or the last. */
const digestEvery = 10

/** So many that a few slow answers do not slow down whole domains for the rest of the run. */
const domains = 300

/** Fills the newsroom, and another one whose readers must hear nothing. */
export async function gatherReaders(
  pool: Pool,
  newsroomId: string,
  count: number,
  digests: boolean,
): Promise<Map<string, Reader>> {
  await loadCrowd(pool, newsroomId, count, domains)
  if (digests) await beginDigests(pool, newsroomId)
  await pool.query(
    `update subscriptions set state = 'pending', activated_at = null where newsroom_id = $1 and id % $2 = 0`,
    [newsroomId, pendingEvery],
  )
  await pool.query(
    `update subscriptions set state = 'ended', ended_at = now(), ended_reason = 'unsubscribed'
      where newsroom_id = $1 and id % $2 = 1`,
    [newsroomId, goneEvery],
  )
  const elsewhere = await givenNewsroom(pool, { slug: 'elsewhere' })
  await pool.query(
    `with made as (
       insert into subscribers (address, address_key, address_hash, created_at)
       select a, a, sha256(a::bytea), now() from (select 'e' || n || '@elsewhere.example' as a from generate_series(1, 50) n)
       returning id
     )
     insert into subscriptions (newsroom_id, subscriber_id, state, language, requested_at, activated_at)
     select $1, id, 'active', 'nb', now(), now() from made`,
    [elsewhere.id],
  )
  const { rows } = await pool.query<{
    id: string
    address: string
    state: string
    frequency: string
    requested: number
  }>(
    `select s.id, b.address, s.state, s.frequency, floor(extract(epoch from s.requested_at) * 1000)::float8 as requested
       from subscriptions s join subscribers b on b.id = s.subscriber_id
      where s.newsroom_id = $1`,
    [newsroomId],
  )
  const keys = linkKeys(testSecrets)
  const inAnHour = BigInt(Math.floor(Date.now() / 1000) + 36_000)
  return new Map(
    rows.map(({ id, address, state, frequency, requested }) => {
      const reader: Reader = {
        address,
        follows: state === 'active' ? 'from-the-start' : null,
        left: null,
        leaveUrl: null,
        // The letter that would carry it is another one's test; the door is the real one.
        confirmPath:
          state === 'pending'
            ? `/confirm/${sealToken(keys, 'confirm', [BigInt(id), inAnHour, BigInt(requested)])}`
            : null,
        readsDigests: frequency !== 'immediate',
      }
      return [address, reader]
    }),
  )
}

/** Their hour is the first of the day, which has come: a digest is due whenever none has been cut today. */
async function beginDigests(pool: Pool, newsroomId: string): Promise<void> {
  await pool.query(`update newsrooms set digest_hour = 0, created_at = now() - interval '3 days' where id = $1`, [
    newsroomId,
  ])
  await pool.query(`update subscriptions set frequency = 'daily' where newsroom_id = $1 and id % $2 = 3`, [
    newsroomId,
    digestEvery,
  ])
}

/** Leaves as a mailbox does it for its reader, by the link in a letter. Throws where that is refused, or not answered in time. */
export async function leave(reader: Reader, isOver: () => boolean): Promise<void> {
  reader.left = { asked: wallClock(), answered: null }
  await knock(`${reader.address}, who would leave,`, reader.leaveUrl!, 'List-Unsubscribe=One-Click', isOver)
  reader.left.answered = wallClock()
}

/** Confirms by the link in a letter. Throws where that is refused, or not answered in time. */
export async function confirm(api: string, reader: Reader, isOver: () => boolean): Promise<void> {
  const asked = wallClock()
  // Until it is answered it may have taken effect or not.
  reader.follows = { asked, answered: Number.POSITIVE_INFINITY }
  await knock(`${reader.address}, who would follow,`, `${api}${reader.confirmPath}`, 'answer=yes', isOver)
  reader.follows = { asked, answered: wallClock() }
}

/** Whether an answer is one that no part's being away explains: then it is 503, and 429 where too many ask at once. */
export const isRefusal = (status: number) => status >= 400 && status !== 429 && status !== 503

/** Again and again until it is answered 2xx. */
async function knock(who: string, url: string, body: string, isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    const status = await post(url, body)
    if (status >= 200 && status < 300) return
    if (isRefusal(status)) throw new Error(`${who} was answered ${status}`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error(`${who} was not answered`)
}

/** The status; 0: the door is away. */
async function post(url: string, body: string): Promise<number> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body,
      signal: AbortSignal.timeout(10_000),
    })
    await response.text()
    return response.status
  } catch {
    return 0
  }
}
