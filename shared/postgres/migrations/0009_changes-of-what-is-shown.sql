-- Up Migration

-- Counts what happened to a newsroom's releases: pages written before are good for as long as the sum of its rows stands. A
-- sum and not the time of the newest change, because of two that happen at once the earlier may become visible last.
-- There is a row for each that ever happened at the same time, so that none waits for another.
create table release_changes (
  id bigint generated always as identity primary key,
  newsroom_id uuid not null references newsrooms on delete cascade,
  number bigint not null
) with (fillfactor = 50);
create index release_changes_newsroom on release_changes (newsroom_id);
