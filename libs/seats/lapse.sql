-- Frees what lapsed reservations still hold, and what is held of canceled events, and puts it on record. A
-- lapsed hold keeps nobody out before that.
--
-- Params: $1 int  the most at once
-- Returns: one row (count)
with lapsed as materialized (
  select reservations.id from reservations join events on events.id = event_id
  where status = 'active' and (expires_at <= now() or is_canceled)
  order by expires_at limit $1::int for update of reservations skip locked
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
