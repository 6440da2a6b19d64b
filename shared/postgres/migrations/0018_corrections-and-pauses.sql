-- Up Migration

-- A correction goes also to who has the text it corrects and is on pause, as a withdrawal does: until now they kept what was wrong,
-- and nobody told them when their pause was over. Otherwise as before.
create or replace function is_owed(
  s subscriptions, mailing bigint, kind text, accepted_at timestamptz, due_at timestamptz, topics text[], had boolean
) returns boolean language sql immutable parallel safe
return s.activated_at <= accepted_at and (s.state = 'active' or s.ended_at > accepted_at)
   and (kind <> 'withdrawal' and s.frequency = 'immediate'
        and (s.paused_until is null or s.paused_until <= greatest(accepted_at, due_at))
        and (s.left_to_digest is null or mailing <> all (s.left_to_digest))
        and (s.topics = '{}' or topics = '{}' or s.topics && topics)
        -- A withdrawal goes to whoever has the release, whatever their wishes are now; and a correction to those who have the text it
        -- corrects, also on pause or where topics have changed.
        or (kind = 'withdrawal'
            or kind = 'correction' and s.frequency = 'immediate'
               and (s.left_to_digest is null or mailing <> all (s.left_to_digest)))
           and had);
