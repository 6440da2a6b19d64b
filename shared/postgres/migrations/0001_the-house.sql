-- The first form of every table. One row of each is told in docs/architecture.md; each is written by one room only.
-- Identities are of two kinds: uuid (v7, made in the app) where rows are few and a publisher sees them; bigint where
-- rows come by the million, because half of a ledger's size and speed is the width of its key.

create table newsrooms (
  id uuid primary key,
  slug text not null unique check (slug ~ '^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$'),
  name text not null,
  languages text[] not null,
  default_language text not null,
  zone text not null,
  sender_address text not null,
  sender_name text not null,
  reply_to text,
  legal_name text not null,
  postal_address text not null,
  website text,
  logo_url text,
  accent text not null check (accent ~ '^#[0-9a-fA-F]{6}$'),
  about jsonb not null default '{}',
  created_at timestamptz not null
);

create table newsroom_keys (
  id uuid primary key,
  newsroom_id uuid not null references newsrooms,
  label text not null,
  -- The webhook secret, sealed with a key made from SECRET_KEY: a dump of this table alone signs nothing.
  sealed bytea not null,
  created_at timestamptz not null,
  ended_at timestamptz
);
create index newsroom_keys_newsroom on newsroom_keys (newsroom_id);

create table releases (
  id uuid primary key,
  newsroom_id uuid not null references newsrooms,
  external_id text not null,
  revision int not null,
  kind text not null check (kind in ('release', 'correction', 'withdrawal')),
  published_at timestamptz not null,
  zone text not null,
  created_at timestamptz not null,
  unique (newsroom_id, external_id)
);
create index releases_newest on releases (newsroom_id, published_at desc, id desc);

create table revisions (
  release_id uuid not null references releases,
  revision int not null,
  kind text not null check (kind in ('release', 'correction', 'withdrawal')),
  content jsonb not null,
  received_at timestamptz not null,
  primary key (release_id, revision)
);

create table received_webhooks (
  newsroom_id uuid not null references newsrooms,
  webhook_id text not null,
  body_hash bytea not null,
  status int not null,
  answer jsonb not null,
  received_at timestamptz not null,
  primary key (newsroom_id, webhook_id)
);
create index received_webhooks_age on received_webhooks (received_at);

create table mailings (
  id bigint generated always as identity primary key,
  newsroom_id uuid not null references newsrooms,
  kind text not null check (kind in ('release', 'correction', 'withdrawal', 'digest')),
  release_id uuid references releases,
  revision int,
  state text not null check (state in ('embargoed', 'accepted', 'cutting', 'sending', 'done', 'cancelled', 'superseded')),
  -- Apart from the state, so that resuming needs no memory of where it stopped.
  paused boolean not null default false,
  -- The audience is the subscriptions active at this instant.
  accepted_at timestamptz not null,
  due_at timestamptz not null,
  -- The walk of the fan-out: where in the circle of subscriptions it began (drawn anew for each mailing), the last
  -- one already in a chunk, whether it has passed the end and begun again, and the number of the next chunk.
  cut_from bigint,
  cut_after bigint,
  cut_wrapped boolean not null default false,
  next_chunk int not null default 0,
  started_at timestamptz,
  done_at timestamptz,
  unique (release_id, revision)
);
create index mailings_live on mailings (newsroom_id) where state not in ('done', 'cancelled', 'superseded');
create index mailings_due on mailings (due_at) where state in ('embargoed', 'accepted', 'cutting');

create table renderings (
  mailing_id bigint not null references mailings,
  language text not null,
  subject text not null,
  -- Bytes of the prepared letter, and where the reader's values go between them.
  body bytea not null,
  cuts jsonb not null,
  primary key (mailing_id, language)
);

create table chunks (
  mailing_id bigint not null references mailings,
  n int not null,
  -- A key range of subscriptions: after_id < id <= upto_id.
  after_id bigint not null,
  upto_id bigint not null,
  size int not null,
  -- Its place among its mailing's chunks: the priority of its job, drawn anew for each release.
  rank int not null,
  state text not null check (state in ('cut', 'open', 'done')),
  next_at timestamptz not null,
  lease_until timestamptz,
  fence bigint not null default 0,
  sent int not null default 0,
  deferred int not null default 0,
  bounced int not null default 0,
  failed int not null default 0,
  opted_out int not null default 0,
  suppressed int not null default 0,
  withdrawn int not null default 0,
  in_doubt int not null default 0,
  -- Attempts that ever ended in doubt, also those settled since.
  doubted int not null default 0,
  primary key (mailing_id, n)
) with (fillfactor = 70);
create index chunks_open on chunks (mailing_id) where state <> 'done';

create table subscribers (
  id bigint generated always as identity primary key,
  -- As the reader wrote it, domain in A-labels; null after erasure.
  address text,
  -- What makes two spellings one reader: lower case local part, A-label domain.
  address_key text unique,
  -- The keyed hash suppressions are found by; it outlives the address.
  address_hash bytea not null,
  created_at timestamptz not null
);
create index subscribers_hash on subscribers (address_hash);

create table subscriptions (
  id bigint generated always as identity primary key,
  newsroom_id uuid not null references newsrooms,
  subscriber_id bigint not null references subscribers,
  state text not null check (state in ('pending', 'active', 'ended')),
  language text not null,
  frequency text not null default 'immediate' check (frequency in ('immediate', 'daily', 'weekly')),
  requested_at timestamptz not null,
  activated_at timestamptz,
  ended_at timestamptz,
  ended_reason text,
  unique (newsroom_id, subscriber_id)
);
create index subscriptions_audience on subscriptions (newsroom_id, id);
create index subscriptions_subscriber on subscriptions (subscriber_id);

create table consent_log (
  id bigint generated always as identity primary key,
  subscription_id bigint not null,
  newsroom_id uuid not null,
  subscriber_id bigint not null,
  act text not null check (act in ('requested', 'confirmed', 'disowned', 'ended', 'imported')),
  at timestamptz not null,
  door text not null,
  language text,
  wording text,
  form_url text,
  -- Where the reader came from, as a keyed hash: enough to show two acts had one origin, not enough to find anybody.
  origin_hash bytea,
  mailing_id bigint
);
create index consent_log_subscription on consent_log (subscription_id);

-- The ledger. No foreign keys: a check per row would cost more than the row, and only the room `delivery` writes here,
-- from a chunk that has them. Half-filled pages and no index on what changes keep updates in place (HOT).
create table deliveries (
  mailing_id bigint not null,
  subscription_id bigint not null,
  state text not null,
  attempt smallint not null,
  fence bigint not null,
  at timestamptz not null,
  -- deferred: when to try again. claimed: until when a hand-over may begin.
  until timestamptz,
  reply text,
  primary key (mailing_id, subscription_id),
  check (state in ('due', 'claimed', 'deferred', 'sent', 'bounced', 'failed', 'opted_out', 'suppressed', 'withdrawn', 'in_doubt', 'complained'))
) with (fillfactor = 50);

create table attempts (
  mailing_id bigint not null,
  subscription_id bigint not null,
  attempt smallint not null,
  at timestamptz not null,
  verdict text not null,
  phase text,
  code smallint,
  enhanced text,
  detail text not null,
  primary key (mailing_id, subscription_id, attempt)
);

create table notices (
  id uuid primary key,
  kind text not null check (kind in ('confirmation', 'already-following')),
  subscription_id bigint not null references subscriptions,
  state text not null check (state in ('due', 'claimed', 'deferred', 'sent', 'bounced', 'failed', 'suppressed')),
  attempt smallint not null default 0,
  fence bigint not null default 0,
  created_at timestamptz not null,
  -- due and deferred: when to send. claimed: until when the lease lasts.
  next_at timestamptz not null,
  done_at timestamptz,
  reply text
);
create index notices_due on notices (next_at) where state in ('due', 'claimed', 'deferred');
create index notices_subscription on notices (subscription_id, created_at);

create table suppressions (
  address_hash bytea primary key,
  reason text not null check (reason in ('bounced', 'complained', 'operator', 'erased')),
  at timestamptz not null,
  detail text
);
