-- Up Migration

-- The newest revision of a release that a reader has been told, is being told or will be; null: none. Unlike `revision_had` it does not
-- count a digest whose fate is in doubt and that is not sent again because another was dealt in its place: that it ever came nobody
-- knows, so what else stood in it must be told again.
create function revision_told(reader bigint, of_release uuid) returns table (revision int)
language sql stable parallel safe
begin atomic
  select max(c.revision)
    from carriers(of_release) c
    join mailings m on m.id = c.mailing_id
   cross join lateral (select d.state from deliveries d
                        where d.mailing_id = c.mailing_id and d.subscription_id = reader offset 0) l
   where l.state in ('sent', 'in_doubt', 'claimed', 'complained') or (c.is_live and l.state in ('due', 'deferred'))
      or not (m.kind = 'digest' and m.state = 'superseded' and l.state = 'withdrawn')
         and exists (select from attempts t
                      where t.mailing_id = c.mailing_id and t.subscription_id = reader and t.verdict = 'in_doubt' offset 0);
end;
