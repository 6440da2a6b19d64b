-- Up Migration

-- What the desk could not tell: each of these went on for as long as nobody read the workers' logs.

-- Since when a chunk has been in hand, however often it changed hands, without a letter of it coming to an outcome; null: it was
-- let go in good order.
alter table chunks add column vain_since timestamptz;

-- A chore of the workers' clock, and when it last came to its end, or, if it never has, when it first failed.
create table chores (
  name text primary key,
  -- Seconds from one turn to the next.
  every float8 not null,
  done_at timestamptz not null
);

-- Null in a paused one: by a process of an earlier version, which did not say so.
alter table mailings add column paused_at timestamptz;
update mailings set paused_at = now() where paused;

-- False: what this process has in hand when it is killed is all in doubt.
alter table workers add column keeps_journal boolean not null default true;

-- Whoever gives numbers on the digest line looks for mailings without one, every twenty seconds: among those whose letters are kept.
create index mailings_kept on mailings (newsroom_id) where forgotten_at is null;
