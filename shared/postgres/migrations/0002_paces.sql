-- One receiving domain's speed, shared by all workers; a domain without a row is sent to as fast as the machine can.
create table paces (
  domain text primary key,
  -- Letters a second, and what of it may be used at once.
  rate float8 not null check (rate > 0),
  tokens float8 not null,
  filled_at timestamptz not null,
  -- Until when nothing goes to it, after its provider refused us.
  held_until timestamptz,
  -- How often in a row it has been held: each hold is longer than the last.
  holds int not null default 0,
  reason text not null,
  detail text not null,
  changed_at timestamptz not null
);

create index attempts_newest on attempts (mailing_id, at desc);
