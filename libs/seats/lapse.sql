-- Frees what lapsed reservations still hold, and what is held of canceled events, and puts it on record. A
-- lapsed hold keeps nobody out before that.
--
-- Params: $1 int  the most at once
-- Returns: one row (count)
--
-- Plan: what has lapsed by reservations_lapsing, what is held of canceled events by events_canceled and
-- reservations_event; so a house full of live holds is not read.
with due as materialized (
  (
    select id from reservations where status = 'active' and expires_at <= now() order by expires_at limit $1::int
  )
  union all
  (
    select reservations.id from events join reservations on reservations.event_id = events.id
    where events.is_canceled and reservations.status = 'active' limit $1::int
  )
),
-- One that somebody has locked is passed over, and so is one that was extended meanwhile.
lapsed as materialized (
  select id from reservations
  where id = any (array(select id from due)) and status = 'active'
    and (expires_at <= now() or exists (select from events where events.id = event_id and is_canceled))
  order by expires_at limit $1::int for update skip locked
),
freed as materialized (
  select id from seats
  where reservation_id = any (array(select id from lapsed)) and status = 'held'
  order by id for update
),
available as (
  update seats set status = 'available', reservation_id = null, held_until = null, version = version + 1
  where id = any (array(select id from freed))
),
ended as (
  update reservations
  set status = case when expires_at <= now() then 'expired' else 'canceled' end, updated_at = now()
  where id = any (array(select id from lapsed))
  returning *
),
told as (
  insert into outbox (type, subject, data)
  select 'reservation.expired', event_id::text, jsonb_build_object(
    'reservation_id', 'rsv_' || replace(id::text, '-', ''), 'event_id', 'evt_' || replace(event_id::text, '-', ''),
    'user_id', user_id, 'seats', seats, 'expired_at', utc(expires_at))
  from ended where status = 'expired' and webhooks_wanted()
)
select count(*)::int as count from lapsed
