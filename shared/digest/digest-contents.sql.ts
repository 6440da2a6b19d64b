import type { MailingId } from '../mailing/mailing.ts'
import type { Db } from '../postgres/pool.ts'
import type { SubscriptionId } from '../subscription/subscription.ts'
import type { DigestItem } from './digest.ts'
import type { DigestCut } from './digest-cut.sql.ts'

/** What some readers are told alike: one content, newest release first, and whom it is for, in order of their keys. */
export type DealtContent = { readonly items: readonly DigestItem[]; readonly readers: readonly SubscriptionId[] }

type ContentRow = { contents: [DigestItem['releaseId'], number, DigestItem['telling']][]; readers: SubscriptionId[] }

/**
 * What a day's cut has to tell each of these readers: the releases between their cursor and the head of the line that
 * they were already reading for, did not pause for, wish for and do not have. Whoever has nothing to be told is in none.
 *
 * A reader who has turned to letters at once is told only what was left to the last digest; what came since reaches
 * them by itself.
 */
export async function listContents(
  db: Db,
  cut: DigestCut,
  readers: readonly SubscriptionId[],
): Promise<DealtContent[]> {
  const { rows } = await db.query<ContentRow>(
    `with readers as materialized (
       select s.id, s.topics, s.activated_at, s.paused_from, s.paused_until,
              case when s.frequency = 'immediate' then coalesce(s.left_to_digest, '{}') end as only_these,
              -- What was numbered before the reader came was accepted before, too, and is not theirs.
              greatest(coalesce(s.dealt, 0),
                       coalesce((select c.head from digest_cuts c
                                  where c.newsroom_id = $1 and c.frequency is not null and c.numbered_at < s.activated_at
                                  order by c.numbered_at desc limit 1), 0)) as low
         from subscriptions s
        where s.id = any($3::bigint[])
     ), events as materialized (
       select l.n, m.id, m.release_id, m.accepted_at, greatest(m.accepted_at, m.due_at) as begins_at
         from digest_line l join mailings m on m.id = l.mailing_id
        where l.newsroom_id = $1 and l.n > (select min(low) from readers) and l.n <= $2
     ), touched as (
       select distinct r.id, r.topics, r.only_these, e.release_id
         from readers r
         join events e on e.n > r.low and e.accepted_at >= r.activated_at
        where (r.paused_until is null or e.begins_at >= r.paused_until or e.begins_at < r.paused_from)
          and (r.only_these is null or e.id = any(r.only_these))
     ), told as (
       select t.id, jsonb_agg(jsonb_build_array(t.release_id, x.revision, x.telling)
                              order by x.published_at desc, t.release_id desc) as contents
         from touched t
        cross join lateral to_tell(t.id, t.topics, t.release_id) x
        where t.only_these is null or x.mailing_id = any(t.only_these)
        group by t.id
     )
     select contents, array_agg(id::text order by id) as readers from told group by contents order by contents`,
    [cut.newsroomId, cut.head, readers],
  )
  return rows.map(contentOf)
}

/** The same for readers of a digest that was replaced before it was sent to them: of its releases, what holds now. */
export async function listReplacingContents(
  db: Db,
  replaced: MailingId,
  readers: readonly SubscriptionId[],
): Promise<DealtContent[]> {
  const { rows } = await db.query<ContentRow>(
    `with told as (
       select s.id, jsonb_agg(jsonb_build_array(i.release_id, x.revision, x.telling)
                              order by x.published_at desc, i.release_id desc) as contents
         from subscriptions s
         join digest_items i on i.mailing_id = $1
        cross join lateral to_tell(s.id, s.topics, i.release_id) x
        where s.id = any($2::bigint[]) and (s.frequency <> 'immediate' or x.mailing_id = any(s.left_to_digest))
        group by s.id
     )
     select contents, array_agg(id::text order by id) as readers from told group by contents order by contents`,
    [replaced, readers],
  )
  return rows.map(contentOf)
}

const contentOf = ({ contents, readers }: ContentRow): DealtContent => ({
  items: contents.map(([releaseId, revision, telling]) => ({ releaseId, revision, telling })),
  readers,
})
