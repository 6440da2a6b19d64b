-- Up Migration

-- As before, but for chunks that are taken up for a minute without a letter coming to an outcome: one that faults at every turn, or
-- whose mailing somebody keeps locked, would pin the lowest rank, and what comes later would overtake the ends of mailings under way.
create or replace function ranks_from(of_mailing bigint) returns int
language sql stable parallel safe
begin atomic
  select greatest(
    (select max(rank) + 1 from chunks where mailing_id = of_mailing),
    (select min(c.rank)
       from mailings m join chunks c on c.mailing_id = m.id
      where m.state in ('cutting', 'sending') and not m.paused
        and c.state <> 'done' and c.rank > 0
        and c.sent + c.deferred + c.bounced + c.failed + c.doubted = 0
        and coalesce(c.vain_since > now() - interval '1 minute', true)),
    0);
end;
