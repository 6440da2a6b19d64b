-- What a newsroom's releases are about, and what a reader wants of them.

alter table newsrooms
  -- In the newsroom's own order: [{"id": "clusters", "names": {"nb": "Klynger", "en": "Clusters"}}, …].
  add column topics jsonb not null default '[]',
  -- When its digests leave, in its own zone: hour of the day, and for weekly ones the ISO day of the week.
  add column digest_hour smallint not null default 8 check (digest_hour between 0 and 23),
  add column digest_weekday smallint not null default 1 check (digest_weekday between 1 and 7);

-- Those of the newest revision; the newsroom's topic ids. None: the release concerns everybody.
alter table releases add column topics text[] not null default '{}';

alter table subscriptions
  -- Topic ids; none: whatever the newsroom publishes.
  add column topics text[] not null default '{}',
  -- Nothing is owed to the reader before this instant.
  add column paused_until timestamptz;
