-- What each workers process says of itself every few seconds. Nothing hangs on it: work is shared by leases.
create table workers (
  id uuid primary key,
  host text not null,
  pid int not null,
  started_at timestamptz not null,
  beat_at timestamptz not null,
  -- Letters the mail host took from it within about a minute before the beat.
  accepted_lately int not null,
  -- Why it cannot use the mail host, since when, when it last tried and when it tries again; null: it can, or has not
  -- needed to.
  trouble text,
  trouble_since timestamptz,
  tried_at timestamptz,
  rests_until timestamptz,
  check ((trouble is null) = (trouble_since is null) and (trouble is null) = (tried_at is null)
     and (trouble is null) = (rests_until is null))
) with (fillfactor = 50);

-- Letters held in doubt are few, and asked for at every scrape.
create index chunks_in_doubt on chunks (mailing_id) where in_doubt > 0;
