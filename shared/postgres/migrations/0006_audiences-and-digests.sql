-- Who is owed what. One rule, which the statements that cut an audience and those that write its deliveries share.
-- PostgreSQL writes such functions into the statement that asks, which is planned as one and by key.

-- The letters of a release that a reader has or may have: accepted by the mail host, in doubt now or once, or in a
-- worker's hands. `offset 0` keeps each look into the ledger a look by its key, however little is known of the tables.
create function letters_had(reader bigint, of_release uuid)
returns table (mailing_id bigint, revision int) language sql stable parallel safe
begin atomic
  select m.id, m.revision
    from mailings m
   cross join lateral (select d.state from deliveries d
                        where d.mailing_id = m.id and d.subscription_id = reader offset 0) l
   where m.release_id = of_release
     and (l.state in ('sent', 'in_doubt', 'claimed', 'complained')
          or exists (select from attempts t
                      where t.mailing_id = m.id and t.subscription_id = reader and t.verdict = 'in_doubt' offset 0));
end;

-- Whether a mailing that carries a release is owed to a subscription. `had`: the reader may have an earlier revision;
-- it is asked last, and only where it decides.
create function is_owed(
  s subscriptions, kind text, accepted_at timestamptz, due_at timestamptz, topics text[], had boolean
) returns boolean language sql immutable parallel safe
return s.activated_at <= accepted_at and (s.state = 'active' or s.ended_at > accepted_at)
   and (kind <> 'withdrawal' and s.frequency = 'immediate' and (s.paused_until is null or s.paused_until <= due_at)
        and (s.topics = '{}' or topics = '{}' or s.topics && topics)
        -- A withdrawal goes to whoever has the release, whatever their wishes are now; and a correction that has changed
        -- topics also to those who have the text it corrects.
        or (kind = 'withdrawal'
            or kind = 'correction' and s.frequency = 'immediate' and (s.paused_until is null or s.paused_until <= due_at))
           and had);
