-- Up Migration

-- Counts what happened to a newsroom's releases: pages written before are good for as long as the number stands. A count
-- and not the time of the newest change, because of two that happen at once the earlier may become visible last.
create table release_changes (
  newsroom_id uuid primary key references newsrooms on delete cascade,
  number bigint not null
) with (fillfactor = 50);
