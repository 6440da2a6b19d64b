-- What lists show and search reads: one row for each language a release's newest revision is written in. Whole texts
-- stay in revisions; a list of twenty would otherwise unpack twenty of them for their titles.

alter table newsrooms
  -- When the newsroom itself last changed: its name, looks or topics stand in pages and feeds.
  add column changed_at timestamptz not null default now();
update newsrooms set changed_at = created_at;

-- When its newest revision came, so that what changed last is found without opening every release.
alter table releases add column revised_at timestamptz not null default now();
update releases r set revised_at = v.received_at
  from revisions v where v.release_id = r.id and v.revision = r.revision;
create index releases_revised on releases (newsroom_id, revised_at desc);

-- PostgreSQL has a stemmer for each of our languages but Northern Sámi. Nynorsk shares the Norwegian one.
create function search_config(language text) returns regconfig
language sql immutable parallel safe as $$
  select case language
    when 'nb' then 'pg_catalog.norwegian'::regconfig
    when 'nn' then 'pg_catalog.norwegian'::regconfig
    when 'en' then 'pg_catalog.english'::regconfig
    when 'sv' then 'pg_catalog.swedish'::regconfig
    when 'da' then 'pg_catalog.danish'::regconfig
    when 'fi' then 'pg_catalog.finnish'::regconfig
    else 'pg_catalog.simple'::regconfig
  end
$$;

-- Each word of a text twice: stemmed, so that `ferger` finds `ferge`, and as it stands, for those who have typed half of
-- it. The text comes without any marks: the parser would keep `example.com` as one word that nobody searches for. The
-- newsroom is one of the words, so that the index leads to its own releases alone. No positions: nobody searches for
-- phrases, and without them it takes half the room.
create function release_words(newsroom uuid, language text, plain text) returns tsvector
language sql immutable parallel safe as $$
  select strip(to_tsvector(search_config(language), plain) || to_tsvector('pg_catalog.simple', plain))
         || array_to_tsvector(array['newsroom ' || newsroom::text])
$$;

-- What a reader asks for: every word of it, each stemmed or as the beginning of a longer one. Words too common to mean
-- anything count only when there are no others. The words come without any marks.
create function asked_words(newsroom uuid, languages text[], asked text[]) returns tsquery
language plpgsql immutable strict parallel safe set client_min_messages = warning as $$
declare
  meant tsquery := ''::tsquery;
  common tsquery := ''::tsquery;
  one tsquery;
  stemmed tsquery;
  language text;
  is_common boolean;
  word text;
begin
  foreach word in array asked loop
    one := to_tsquery('pg_catalog.simple', word || case when length(word) > 1 then ':*' else '' end);
    is_common := numnode(one) = 0;
    foreach language in array languages loop
      stemmed := to_tsquery(search_config(language), word);
      is_common := is_common or numnode(stemmed) = 0;
      one := one || stemmed;
    end loop;
    if is_common then common := common && one; else meant := meant && one; end if;
  end loop;
  if numnode(meant) = 0 then meant := common; end if;
  -- Nothing to look for finds nothing, rather than everything.
  if numnode(meant) = 0 then return meant; end if;
  return meant && quote_literal('newsroom ' || newsroom::text)::tsquery;
end
$$;

create table release_texts (
  release_id uuid not null references releases,
  language text not null,
  title text not null,
  lead text not null,
  words tsvector not null,
  primary key (release_id, language)
);
-- Releases come some a day and are searched all day, so each is put where it belongs at once.
create index release_texts_words on release_texts using gin (words) with (fastupdate = off);

-- Those there are already: tags and marks become blanks. For all that follow, the words are those of the cleaned text.
insert into release_texts (release_id, language, title, lead, words)
select r.id, t.key, t.value ->> 'title', t.value ->> 'lead',
       release_words(r.newsroom_id, t.key, regexp_replace(
         concat_ws(' ', t.value ->> 'title', t.value ->> 'lead', regexp_replace(t.value ->> 'bodyHtml', '<[^>]*>', ' ', 'g')),
         '[!-/:-@\[-`{-~«»“”„‘’–—…·•]+', ' ', 'g'))
  from releases r
  join revisions v on v.release_id = r.id and v.revision = r.revision
 cross join lateral jsonb_each(v.content -> 'languages') t
 where r.kind <> 'withdrawal';
