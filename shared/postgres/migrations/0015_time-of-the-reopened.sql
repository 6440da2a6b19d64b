-- Up Migration

-- From when on the retry window of a mailing counts whose held doubts are sent again; null: from its beginning. The beginning
-- itself stays what it was.
alter table mailings add column window_from timestamptz;
