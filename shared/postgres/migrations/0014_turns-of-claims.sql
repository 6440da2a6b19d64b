-- Up Migration

-- A claim holds its mailing's row for share, and whoever shares a row is let in past a writer who waits for it: with 32 claims at
-- a time that overlapped, a pause waited for longer than 20 s. Advisory locks are given in the order they were asked for. So a
-- claim begins with one of these, and whoever stops or holds a mailing waits by the other before it touches the row: the claims
-- that had begun are waited for, those that begin later wait in turn. Both last until the transaction ends. 5 is their space of
-- numbers among the advisory locks (shared/postgres/advisory-lock.ts).
create function begin_claim(of_mailing bigint) returns void
language sql volatile
begin atomic
  select pg_advisory_xact_lock_shared(5, hashint8(of_mailing));
end;

create function wait_for_claims(of_mailing bigint) returns void
language sql volatile
begin atomic
  select pg_advisory_xact_lock(5, hashint8(of_mailing));
end;
