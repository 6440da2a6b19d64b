-- Who is owed what, at once or gathered in a digest.

alter table subscriptions
  -- The last number on its newsroom's digest line that this reader has been dealt; null: none yet.
  add column dealt bigint,
  -- Mailings that were under way when the reader turned from digests to letters at once: a last digest tells of them,
  -- and no letter of theirs comes by itself.
  add column left_to_digest bigint[],
  add column last_digest_owed boolean not null default false,
  -- Whether letters at once may have told what lies beyond `dealt`. Only a change of frequency makes it so, until the
  -- next digest; all others need not be looked up in the ledger for what is new on the line.
  add column asks_ledger boolean not null default false,
  -- When the pause began: what was due before it is still owed to a reader of digests.
  add column paused_from timestamptz;
-- A digest moves the cursors of a whole audience: room in each page keeps that off the indexes.
alter table subscriptions set (fillfactor = 80);
create index subscriptions_digest on subscriptions (newsroom_id, id) where frequency <> 'immediate' or last_digest_owed;

create function note_pause() returns trigger language plpgsql as $$
begin
  if new.paused_until is null then
    new.paused_from := null;
  elsif new.paused_until > now() and (old.paused_until is null or old.paused_until <= now()) then
    new.paused_from := now();
  end if;
  return new;
end
$$;
create trigger subscriptions_note_pause before update of paused_until on subscriptions
  for each row execute function note_pause();

-- A newsroom's releases and corrections in the order in which digests tell of them. A number is given only to what can
-- be seen, so that whatever is committed late comes after what was dealt before.
create table digest_line (
  newsroom_id uuid not null references newsrooms,
  n bigint not null,
  mailing_id bigint not null unique,
  -- Whether a digest had told of its release before it got this number.
  again boolean not null default false,
  primary key (newsroom_id, n)
);
insert into digest_line (newsroom_id, n, mailing_id)
select newsroom_id, row_number() over (partition by newsroom_id order by id), id
  from mailings where kind in ('release', 'correction') and state = 'done';

-- A walk that deals digests to readers: those of one newsroom and frequency on one day, or those who were owed a digest
-- that a revision has replaced.
create table digest_cuts (
  id bigint generated always as identity primary key,
  newsroom_id uuid not null references newsrooms,
  frequency text check (frequency in ('daily', 'weekly')),
  -- The newsroom's own day, and the instant at which its hour came.
  day date,
  hour_at timestamptz,
  -- What is dealt: the line up to here, as it stood at this instant.
  head bigint,
  numbered_at timestamptz not null,
  -- The mailing it makes up for, and whether that was paused.
  replaces bigint unique,
  paused boolean not null default false,
  -- How far the walk has come: the last subscription, or of a mailing it makes up for the number of chunks.
  reached bigint not null default 0,
  done_at timestamptz,
  unique (newsroom_id, frequency, day),
  check ((frequency is null) = (day is null) and (frequency is null) = (hour_at is null)
     and (frequency is null) = (head is null) and (frequency is null) = (replaces is not null))
);
create index digest_cuts_open on digest_cuts (id) where done_at is null;
create index digest_cuts_numbered on digest_cuts (newsroom_id, numbered_at) where frequency is not null;

-- A mailing of kind `digest`: one distinct content of one cut.
create table digests (
  mailing_id bigint primary key,
  cut_id bigint not null references digest_cuts,
  contents_hash text not null,
  unique (cut_id, contents_hash)
);

create table digest_items (
  mailing_id bigint not null,
  place smallint not null,
  release_id uuid not null references releases,
  revision int not null,
  -- new: told for the first time. amended: likewise, and its text was corrected before. correction: the reader has an
  -- earlier text.
  telling text not null check (telling in ('new', 'amended', 'correction')),
  primary key (mailing_id, place)
);
create index digest_items_release on digest_items (release_id);

-- PostgreSQL writes the functions below into the statement that asks, which is planned as one and by key: `offset 0`
-- keeps each look into the ledger a look by its key, however little is known of the tables.

-- The mailings that carry a release: its own, and digests.
create function carriers(of_release uuid) returns table (mailing_id bigint, revision int, is_live boolean)
language sql stable parallel safe
begin atomic
  select m.id, m.revision, m.state in ('embargoed', 'accepted', 'cutting', 'sending')
    from mailings m where m.release_id = of_release
  union all
  select m.id, i.revision, m.state in ('embargoed', 'accepted', 'cutting', 'sending')
    from digest_items i join mailings m on m.id = i.mailing_id
   where i.release_id = of_release;
end;

-- The letters with a release that a reader has or may have: accepted by the mail host, in doubt now or once, or in a
-- worker's hands.
create function letters_had(reader bigint, of_release uuid) returns table (mailing_id bigint, revision int)
language sql stable parallel safe
begin atomic
  select c.mailing_id, c.revision
    from carriers(of_release) c
   cross join lateral (select d.state from deliveries d
                        where d.mailing_id = c.mailing_id and d.subscription_id = reader offset 0) l
   where l.state in ('sent', 'in_doubt', 'claimed', 'complained')
      or exists (select from attempts t
                  where t.mailing_id = c.mailing_id and t.subscription_id = reader and t.verdict = 'in_doubt' offset 0);
end;

-- The newest revision of a release that a reader has, may have or is being sent; null: none.
create function revision_had(reader bigint, of_release uuid) returns table (revision int)
language sql stable parallel safe
begin atomic
  select max(c.revision)
    from carriers(of_release) c
   cross join lateral (select d.state from deliveries d
                        where d.mailing_id = c.mailing_id and d.subscription_id = reader offset 0) l
   where l.state in ('sent', 'in_doubt', 'claimed', 'complained') or (c.is_live and l.state in ('due', 'deferred'))
      or exists (select from attempts t
                  where t.mailing_id = c.mailing_id and t.subscription_id = reader and t.verdict = 'in_doubt' offset 0);
end;

-- Whether a mailing that carries a release is owed to a subscription, by itself and at once. `had`: the reader may have
-- an earlier revision; it is asked last, and only where it decides. A pause is over when the mailing begins: at its hour,
-- or when it was accepted, where that came later.
create function is_owed(
  s subscriptions, mailing bigint, kind text, accepted_at timestamptz, due_at timestamptz, topics text[], had boolean
) returns boolean language sql immutable parallel safe
return s.activated_at <= accepted_at and (s.state = 'active' or s.ended_at > accepted_at)
   and (kind <> 'withdrawal' and s.frequency = 'immediate'
        and (s.paused_until is null or s.paused_until <= greatest(accepted_at, due_at))
        and (s.left_to_digest is null or mailing <> all (s.left_to_digest))
        and (s.topics = '{}' or topics = '{}' or s.topics && topics)
        -- A withdrawal goes to whoever has the release, whatever their wishes are now; and a correction that has changed
        -- topics also to those who have the text it corrects.
        or (kind = 'withdrawal'
            or kind = 'correction' and s.frequency = 'immediate'
               and (s.paused_until is null or s.paused_until <= greatest(accepted_at, due_at))
               and (s.left_to_digest is null or mailing <> all (s.left_to_digest)))
           and had);

-- The text of a release that digests tell by now: its newest, unless it was withdrawn or an operator stopped or paused it.
-- Withdrawals are told at once, in a letter of their own.
create function text_to_tell(of_release uuid)
returns table (mailing_id bigint, revision int, is_amended boolean, topics text[], published_at timestamptz)
language sql stable parallel safe
begin atomic
  select m.id, r.revision, r.kind = 'correction', r.topics, r.published_at
    from releases r
    join mailings m on m.release_id = r.id and m.revision = r.revision
    left join digest_line l on l.mailing_id = m.id
   where r.id = of_release and r.kind <> 'withdrawal' and m.state <> 'cancelled'
     and (l.n is not null or not m.paused and m.due_at <= now());
end;
