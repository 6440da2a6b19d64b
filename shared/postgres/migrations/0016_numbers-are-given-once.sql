-- Up Migration

-- A number on a newsroom's line is given once. Whoever loses theirs, because an operator has paused the mailing, leaves the place
-- empty: given again, to a correction or to the next release, it lay behind the cursors of readers who had been dealt it before,
-- and they were never told.
alter table digest_line alter column mailing_id drop not null;

-- Numbers that were taken back before, and that somebody has been dealt, are not given again either.
insert into digest_line (newsroom_id, n)
select n.id, given.most
  from newsrooms n
 cross join lateral (
   select greatest((select max(head) from digest_cuts c where c.newsroom_id = n.id),
                   (select max(dealt) from subscriptions s where s.newsroom_id = n.id)) as most) given
 where given.most > coalesce((select max(l.n) from digest_line l where l.newsroom_id = n.id), 0);

-- A mailing that has ended is paused no more: until now one whose last letters ended as it was being paused stayed so for ever, and
-- no digest told of it.
update mailings set paused = false where state = 'done' and paused;
