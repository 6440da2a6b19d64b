-- Up Migration

-- A mailing whose letters cannot be prepared is tried again by PostgreSQL's clock, at growing distances, and given up in
-- the end: it is `failed` then, with the reason, until an operator sets it going or a later revision replaces it.
alter table mailings
  drop constraint mailings_state_check,
  add constraint mailings_state_check
    check (state in ('embargoed', 'accepted', 'failed', 'cutting', 'sending', 'done', 'cancelled', 'superseded')),
  -- Tries begun at preparing it since it was last set going, and when the last of them was.
  add column tries int not null default 0,
  add column tried_at timestamptz,
  -- Until when a worker has it in hand to prepare; one that lives renews it.
  add column try_until timestamptz,
  add column next_try_at timestamptz,
  -- Tries that failed by what the mailing carries, and not by our own machine.
  add column own_faults int not null default 0,
  -- Why the last try failed, in a sentence for operators, and when the first one did.
  add column trouble text,
  add column trouble_since timestamptz;

-- A digest that has failed may be set going again: what it owes its readers is not to be told in another one meanwhile.
create or replace function carriers(of_release uuid) returns table (mailing_id bigint, revision int, is_live boolean)
language sql stable parallel safe
begin atomic
  select m.id, m.revision, m.state in ('embargoed', 'accepted', 'failed', 'cutting', 'sending')
    from mailings m where m.release_id = of_release
  union all
  select m.id, i.revision, m.state in ('embargoed', 'accepted', 'failed', 'cutting', 'sending')
    from digest_items i join mailings m on m.id = i.mailing_id
   where i.release_id = of_release;
end;
