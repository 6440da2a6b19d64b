-- Up Migration

-- Those of a range of subscriptions who have a release or may have it, by a mailing before this one. Each letter with it is looked at
-- once: asked of every reader by itself (`letters_had`, which earlier versions ask), it was as many looks as there are digests that
-- told of it, for all who have none of them.
create function who_has(of_release uuid, before bigint, after_id bigint, upto_id bigint) returns table (reader bigint)
language sql stable parallel safe
begin atomic
  select l.subscription_id
    from carriers(of_release) c
   cross join lateral (select d.subscription_id from deliveries d
                        where d.mailing_id = c.mailing_id and d.subscription_id > after_id and d.subscription_id <= upto_id
                          and d.state in ('sent', 'in_doubt', 'claimed', 'complained') offset 0) l
   where c.mailing_id < before
  union
  select l.subscription_id
    from carriers(of_release) c
   cross join lateral (select t.subscription_id from attempts t
                        where t.mailing_id = c.mailing_id and t.subscription_id > after_id and t.subscription_id <= upto_id
                          and t.verdict = 'in_doubt' offset 0) l
   where c.mailing_id < before;
end;
