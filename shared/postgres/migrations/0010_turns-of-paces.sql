-- Up Migration

-- The last turn given to a letter of the domain, by whatever chunk: the next one comes after it. Chunks that each counted
-- from now came again every second to find the bucket empty, hundreds of them for a large audience.
alter table paces add column turn_at timestamptz;
