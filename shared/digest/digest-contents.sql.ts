import type { MailingId } from '../mailing/mailing.ts'
import type { Db } from '../postgres/pool.ts'
import type { SubscriptionId } from '../subscription/subscription.ts'
import type { DigestItem } from './digest.ts'
import type { DigestCut } from './digest-cut.sql.ts'

/** What some readers are told alike: one content, newest release first, and whom it is for, in order of their keys. */
export type DealtContent = { readonly items: readonly DigestItem[]; readonly readers: readonly SubscriptionId[] }

type ContentRow = { items: DigestItem[]; readers: SubscriptionId[] }

/**
 * What a day's cut has to tell each of these readers: the releases between their cursor and the head of the line that
 * they were already reading for, did not pause for, wish for and do not have; and corrections of what they have, whenever these came.
 * Whoever has nothing to be told is in none.
 *
 * A reader who has turned to letters at once is told only what was left to the last digest; what came since reaches
 * them by itself. The ledger is asked only about releases that were on the line before, and for readers who have
 * changed their frequency: for all others, what is new on the line is new.
 */
export async function listContents(
  db: Db,
  cut: DigestCut,
  readers: readonly SubscriptionId[],
): Promise<DealtContent[]> {
  const { rows } = await db.query<ContentRow>(
    `with readers as materialized (
       select s.id, s.topics, s.activated_at, s.paused_from, s.paused_until, s.asks_ledger,
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
     ), texts as materialized (
       select x.*, e.release_id, f.first_n, f.again,
              row_number() over (order by x.published_at desc, e.release_id desc)::int as place
         from (select distinct release_id from events) e
        cross join lateral text_to_tell(e.release_id) x
        cross join lateral (select min(l.n) as first_n, bool_or(l.again) as again
                              from mailings m join digest_line l on l.mailing_id = m.id
                             where m.release_id = e.release_id) f
     ), wanted as materialized (
       -- Each reader with each event once: looked for in the events for each text, one reader back from a pause of months made a
       -- batch take minutes.
       select r.id, e.release_id,
              bool_or(r.paused_until is null or e.begins_at >= r.paused_until or e.begins_at < r.paused_from) as is_news
         from readers r
         join events e on e.n > r.low and e.accepted_at >= r.activated_at
          and (r.only_these is null or e.id = any(r.only_these))
        group by r.id, e.release_id
     ), known as (
       select r.id, r.topics as wished, w.is_news, t.place, t.revision, t.is_amended, t.topics,
              case when r.asks_ledger or t.again or t.first_n <= r.low
                   then (select h.revision from revision_had(r.id, t.release_id) h) end as had
         from wanted w
         join readers r on r.id = w.id
         join texts t on t.release_id = w.release_id
        where r.only_these is null or t.mailing_id = any(r.only_these)
     ), told as (
       -- The place of each release and what to tell of it, in one number: cheap to compare for a whole audience.
       select id, array_agg(place * 3 + case when had is not null then 2 else is_amended::int end
                            order by place) as contents
         from known
        where case when had is null then is_news and (wished = '{}' or topics = '{}' or wished && topics) else had < revision end
        group by id
     ), alike as (
       select contents, array_agg(id::text order by id) as readers from told group by contents
     )
     select a.readers,
            (select jsonb_agg(jsonb_build_object('releaseId', t.release_id, 'revision', t.revision, 'telling',
                                                 (array['new', 'amended', 'correction'])[c.code % 3 + 1]) order by c.code)
               from unnest(a.contents) as c (code) join texts t on t.place = c.code / 3) as items
       from alike a
      order by a.contents`,
    [cut.newsroomId, cut.head, readers],
  )
  return rows
}

/**
 * The same for readers of a digest that was replaced before it was sent to them: of its releases, what holds now. Where it was in
 * doubt all of it is told again, as the digest would have been: that it ever came nobody knows. What was corrected in it is told as a
 * correction, because they may have it.
 *
 * Each letter of theirs that carries one of the releases is looked at once. Asked of every reader and release by itself
 * (`revision_had`), it was as many looks as there are digests that told of it, for each of them.
 */
export async function listReplacingContents(
  db: Db,
  replaced: MailingId,
  readers: readonly SubscriptionId[],
): Promise<DealtContent[]> {
  const { rows } = await db.query<ContentRow>(
    `with items as materialized (
       select i.release_id, i.telling, x.revision, x.is_amended, x.topics, x.published_at, x.mailing_id
         from digest_items i
        cross join lateral text_to_tell(i.release_id) x
        where i.mailing_id = $1
     ), carrying as materialized (
       select i.release_id, c.mailing_id, c.revision, c.is_live, m.kind = 'digest' and m.state = 'superseded' as is_replaced
         from items i
        cross join lateral carriers(i.release_id) c
         join mailings m on m.id = c.mailing_id
     ), letters as materialized (
       select l.*,
              exists (select from attempts t
                       where t.mailing_id = l.mailing_id and t.subscription_id = l.subscription_id
                         and t.verdict = 'in_doubt' offset 0) as was_in_doubt
         from (select distinct mailing_id from carrying) c
        cross join lateral (select d.mailing_id, d.subscription_id, d.state from deliveries d
                             where d.mailing_id = c.mailing_id and d.subscription_id = any($2::bigint[])
                               and d.subscription_id >= (select min(r) from unnest($2::bigint[]) r)
                               and d.subscription_id <= (select max(r) from unnest($2::bigint[]) r) offset 0) l
     ), known as materialized (
       -- had: the newest text they have, may have or will be sent. told: the same without digests that are not sent again.
       select l.subscription_id, c.release_id, max(c.revision) as had,
              max(c.revision) filter (where not (c.is_replaced and l.state = 'withdrawn')) as told
         from letters l
         join carrying c on c.mailing_id = l.mailing_id
        where l.state in ('sent', 'in_doubt', 'claimed', 'complained') or c.is_live and l.state in ('due', 'deferred')
           or l.was_in_doubt
        group by l.subscription_id, c.release_id
     ), dealt as (
       select s.id,
              jsonb_agg(jsonb_build_object('releaseId', i.release_id, 'revision', i.revision, 'telling',
                                           case when k.had < i.revision then 'correction'
                                                when k.had is not null then i.telling
                                                when i.is_amended then 'amended' else 'new' end)
                        order by i.published_at desc, i.release_id desc) as items
         from subscriptions s
        cross join items i
         left join known k on k.subscription_id = s.id and k.release_id = i.release_id
        where s.id = any($2::bigint[])
          and (s.frequency <> 'immediate' or i.mailing_id = any(s.left_to_digest))
          and case when k.had is null then s.topics = '{}' or i.topics = '{}' or s.topics && i.topics
                   else k.told is null or k.told < i.revision end
        group by s.id
     )
     select items, array_agg(id::text order by id) as readers from dealt group by items order by items`,
    [replaced, readers],
  )
  return rows
}
