-- What a reader may choose, see and end.

-- The log of consent is only added to. Whoever writes here, our own code as well, may do one thing more: let the proof
-- of origin go, which has a time of its own and ends with an erasure. Nothing else is ever changed, nothing is deleted.
alter table consent_log
  drop constraint consent_log_act_check,
  add constraint consent_log_act_check
    check (act in ('requested', 'confirmed', 'changed', 'disowned', 'ended', 'lapsed', 'imported')),
  -- What was changed, each with its value before and after: {"frequency": ["immediate", "daily"]}.
  add column detail jsonb;

create function consent_log_stands() returns trigger language plpgsql as $$
begin
  if tg_op = 'UPDATE' then
    old.origin_hash := null;
    if new is not distinct from old then
      return new;
    end if;
  end if;
  raise exception 'The log of consent is only added to.' using errcode = 'restrict_violation';
end
$$;
create trigger consent_log_rows_stand before update or delete on consent_log
  for each row execute function consent_log_stands();
create trigger consent_log_stands before truncate on consent_log
  for each statement execute function consent_log_stands();
-- Always: also where a session says that it only replicates.
alter table consent_log enable always trigger consent_log_rows_stand;
alter table consent_log enable always trigger consent_log_stands;

create index consent_log_origins on consent_log (at) where origin_hash is not null;
create index consent_log_subscriber on consent_log (subscriber_id);

-- One wish to be written to elsewhere. It holds no address: the new one is a subscriber of its own from the start.
create table address_changes (
  id bigint generated always as identity primary key,
  -- The one whose link was used to ask.
  subscription_id bigint not null references subscriptions,
  from_subscriber bigint not null references subscribers,
  to_subscriber bigint not null references subscribers,
  state text not null check (state in ('asked', 'done', 'undone')),
  asked_at timestamptz not null,
  done_at timestamptz,
  -- The subscriptions that went along, and those that ended because the new address followed already.
  moved bigint[] not null default '{}',
  merged bigint[] not null default '{}'
);
create index address_changes_from on address_changes (from_subscriber);
create index address_changes_to on address_changes (to_subscriber);
create index address_changes_subscription on address_changes (subscription_id, asked_at);

-- One wish to be mailed a link, made by whoever typed an address: its hash alone, so that nothing is learnt of those
-- we do not know, and the door does the same for everybody. Answered and deleted within seconds.
create table link_requests (
  address_hash bytea not null,
  newsroom_id uuid not null references newsrooms,
  kind text not null check (kind in ('preferences-link', 'leave-link', 'my-data-link')),
  asked_at timestamptz not null,
  primary key (address_hash, newsroom_id, kind)
);

alter table notices
  drop constraint notices_kind_check,
  add constraint notices_kind_check
    check (kind in ('confirmation', 'already-following', 'preferences-link', 'leave-link', 'my-data-link', 'new-address',
                    'address-changed')),
  -- To whom; null: the subscription's own reader.
  add column subscriber_id bigint references subscribers,
  -- The change of address it speaks of; without a key, because the change is forgotten before the notice.
  add column change_id bigint;
create index notices_subscriber on notices (subscriber_id, created_at) where subscriber_id is not null;
create index notices_done on notices (done_at) where done_at is not null;

-- When its ledger was forgotten; the totals stay in its chunks.
alter table mailings add column forgotten_at timestamptz;
create index mailings_to_forget on mailings (done_at) where done_at is not null and forgotten_at is null;

-- When a reader was erased: for some days replies that name the address may still come in, and are cleared away.
alter table subscribers add column erased_at timestamptz;
create index subscribers_erased on subscribers (erased_at) where erased_at is not null;

create index subscriptions_pending on subscriptions (requested_at) where state = 'pending';
