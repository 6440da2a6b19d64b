-- Up Migration

-- From which rank on a mailing's next chunks are ranked: behind those it has, and not before the lowest of which no letter has
-- come to an outcome yet in any mailing that is under way; its very first is 0 all the same. So mailings take turns, and what came
-- earlier is not overtaken for ever by what comes later, as the ends of mailings were while the ranks of all began at 0
-- (start-time fair queueing: Goyal, Vin and Cheng, SIGCOMM 1996). To have been taken up is no turn: while the mail host is away
-- every chunk is, again and again.
create function ranks_from(of_mailing bigint) returns int
language sql stable parallel safe
begin atomic
  select greatest(
    (select max(rank) + 1 from chunks where mailing_id = of_mailing),
    (select min(c.rank)
       from mailings m join chunks c on c.mailing_id = m.id
      where m.state in ('cutting', 'sending') and not m.paused
        and c.state <> 'done' and c.rank > 0
        and c.sent + c.deferred + c.bounced + c.failed + c.doubted = 0),
    0);
end;
