-- Up Migration

-- What MJML made of a letter's layout, before any word or value is in it, so that a workers process need not start MJML for what another
-- one, or the one before it, has had made. `key` is a hash of the layout and of what made it.
create table layouts (
  key bytea primary key,
  html text not null,
  made_on date not null default current_date
);
