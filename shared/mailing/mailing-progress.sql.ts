import type { Db } from '../postgres/pool.ts'
import type { MailingId, MailingKind, MailingState } from './mailing.ts'
import type { Trouble } from './trouble.ts'

/**
 * How mailings stand, for those who watch them. Every figure is summed from `chunks`: the ledger holds a row per
 * letter and is never counted. The audience grows while it is being cut, so figures are told beside each other and
 * never measured against a number written down beforehand.
 */
export type Totals = {
  /** Readers in the chunks cut so far; of a done chunk those who truly had a letter owed to them. */
  readonly readers: number
  readonly sent: number
  readonly deferred: number
  readonly bounced: number
  readonly failed: number
  readonly optedOut: number
  readonly suppressed: number
  readonly withdrawn: number
  readonly inDoubt: number
  /** Attempts that ever ended in doubt, also those settled since. */
  readonly doubted: number
  readonly chunks: number
  readonly chunksDone: number
}

export type MailingProgress = {
  readonly id: MailingId
  readonly kind: MailingKind
  readonly state: MailingState
  readonly paused: boolean
  readonly newsroomSlug: string
  readonly newsroomName: string
  readonly revision: number | null
  /** From the revision mailed, in the newsroom's own language where it has it; of a digest, its subject once prepared. */
  readonly title: string | null
  /** What a digest gathers, and for whom; null for all other mailings. */
  readonly digest: { readonly releases: number; readonly frequency: 'daily' | 'weekly' | null } | null
  readonly acceptedAt: Date
  readonly dueAt: Date
  readonly startedAt: Date | null
  readonly doneAt: Date | null
  /** Why its letters are not prepared; null: they are, or will be. */
  readonly trouble: Trouble | null
  readonly totals: Totals
}

export type MailingFilter = {
  readonly newsroom: string | null
  readonly states: readonly string[] | null
  readonly paused: boolean | null
  readonly kind: MailingKind | null
  /** Only mailings older than this one: the cursor. */
  readonly before: string | null
  readonly limit: number
}

/** Mailings of all newsrooms, newest first. */
export async function listMailings(db: Db, filter: MailingFilter): Promise<MailingProgress[]> {
  const { newsroom, states, paused, kind, before, limit } = filter
  const { rows } = await db.query<MailingRow>(statement, [newsroom, states, paused, before, limit, null, kind])
  return rows.map(progressOf)
}

/** The mailings by these numbers, newest first; a number without one is passed over. */
export async function listMailingsById(db: Db, ids: readonly string[]): Promise<MailingProgress[]> {
  const { rows } = await db.query<MailingRow>(statement, [null, null, null, null, ids.length, ids, null])
  return rows.map(progressOf)
}

/** One mailing, or `null` when there is none by that number. */
export async function findMailingProgress(db: Db, id: string): Promise<MailingProgress | null> {
  return (await listMailingsById(db, [id]))[0] ?? null
}

// A done chunk's readers are its outcomes: its size was a count of the key range when it was cut, and readers who left
// before their delivery was written are no longer in it.
const statement = `
  select m.id::text, m.kind, m.state, m.paused, n.slug, n.name, m.revision, m.accepted_at, m.due_at, m.started_at,
         m.done_at, m.trouble, m.trouble_since, m.tries, m.next_try_at,
         coalesce(v.content -> 'languages' -> n.default_language ->> 'title',
                  (select text ->> 'title' from jsonb_each(v.content -> 'languages') as t(language, text) limit 1),
                  (select subject from renderings r where r.mailing_id = m.id and m.kind = 'digest'
                    order by language <> n.default_language limit 1)) as title,
         case when m.kind = 'digest' then (select count(*) from digest_items i where i.mailing_id = m.id)::float8 end as releases,
         k.frequency, c.*
    from (
      select *
        from mailings
       where ($1::text is null or newsroom_id = (select id from newsrooms where slug = $1))
         and ($2::text[] is null or state = any($2))
         and ($3::boolean is null or paused = $3)
         and ($4::bigint is null or id < $4)
         and ($6::bigint[] is null or id = any($6))
         and ($7::text is null or kind = $7)
       order by id desc
       limit $5
    ) as m
    join newsrooms n on n.id = m.newsroom_id
    left join revisions v on v.release_id = m.release_id and v.revision = m.revision
    left join digests g on g.mailing_id = m.id
    left join digest_cuts k on k.id = g.cut_id
   cross join lateral (
     select coalesce(sum(case when state = 'done' then outcomes else greatest(size, outcomes) end), 0)::float8 as readers,
            coalesce(sum(sent), 0)::float8 as sent, coalesce(sum(deferred), 0)::float8 as deferred,
            coalesce(sum(bounced), 0)::float8 as bounced, coalesce(sum(failed), 0)::float8 as failed,
            coalesce(sum(opted_out), 0)::float8 as opted_out, coalesce(sum(suppressed), 0)::float8 as suppressed,
            coalesce(sum(withdrawn), 0)::float8 as withdrawn, coalesce(sum(in_doubt), 0)::float8 as in_doubt,
            coalesce(sum(doubted), 0)::float8 as doubted, count(*)::float8 as chunks,
            count(*) filter (where state = 'done')::float8 as chunks_done
       from (select *, sent + bounced + failed + opted_out + suppressed + withdrawn + in_doubt as outcomes
               from chunks where mailing_id = m.id) as counted
   ) as c
   order by m.id desc`

type MailingRow = {
  id: MailingId
  kind: MailingKind
  state: MailingState
  paused: boolean
  slug: string
  name: string
  revision: number | null
  accepted_at: Date
  due_at: Date
  started_at: Date | null
  done_at: Date | null
  trouble: string | null
  trouble_since: Date | null
  tries: number
  next_try_at: Date | null
  title: string | null
  releases: number | null
  frequency: 'daily' | 'weekly' | null
  readers: number
  sent: number
  deferred: number
  bounced: number
  failed: number
  opted_out: number
  suppressed: number
  withdrawn: number
  in_doubt: number
  doubted: number
  chunks: number
  chunks_done: number
}

const progressOf = (row: MailingRow): MailingProgress => ({
  id: row.id,
  kind: row.kind,
  state: row.state,
  paused: row.paused,
  newsroomSlug: row.slug,
  newsroomName: row.name,
  revision: row.revision,
  title: row.title,
  digest: row.releases === null ? null : { releases: row.releases, frequency: row.frequency },
  acceptedAt: row.accepted_at,
  dueAt: row.due_at,
  startedAt: row.started_at,
  doneAt: row.done_at,
  trouble: troubleOf(row),
  totals: {
    readers: row.readers,
    sent: row.sent,
    deferred: row.deferred,
    bounced: row.bounced,
    failed: row.failed,
    optedOut: row.opted_out,
    suppressed: row.suppressed,
    withdrawn: row.withdrawn,
    inDoubt: row.in_doubt,
    doubted: row.doubted,
    chunks: row.chunks,
    chunksDone: row.chunks_done,
  },
})

function troubleOf({ state, trouble, trouble_since, tries, next_try_at }: MailingRow): Trouble | null {
  // One that was stopped or replaced keeps its reason in its row, and nobody waits for it any more.
  if ((state !== 'accepted' && state !== 'failed') || trouble === null || trouble_since === null) return null
  return { reason: trouble, since: trouble_since, tries, nextAt: next_try_at }
}
