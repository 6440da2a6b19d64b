-- How often something may still be done: sign-ups from a network, letters to an address. A row is written when a budget
-- is first spent from and is gone once it is whole again; a missing row is a whole budget.
create table budgets (
  -- A keyed hash of the budget's name and of whose it is: neither an address nor a network can be read out of it.
  key bytea primary key,
  name text not null,
  -- The time in which an empty budget becomes whole again, in seconds.
  span float8 not null check (span > 0),
  -- When nothing of it is missing any more.
  whole_at timestamptz not null
) with (fillfactor = 70);

-- Web origins whose pages may ask by script to follow the newsroom: https://www.havneby.example.
alter table newsrooms add column allowed_origins text[] not null default '{}';

-- What a reader wished for as they agreed: {"topics": […], "frequency": "daily"}.
alter table consent_log add column wishes jsonb;
