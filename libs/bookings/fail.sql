-- Ends a payment of which nothing was taken. The hold stands, but that of a pending booking is released: nobody
-- may be waiting for it any more.
--
-- Params: $1 text payment id, $2 text why
-- Returns: one row (status), as it is now: "failed", or what came of it before.
with payment as materialized (
  select * from payments where id = $1::text for update
),
moved as (
  update payments set status = 'failed', reason = $2::text, due_at = null, updated_at = now()
  from payment where payments.id = payment.id and payment.status in ('preparing', 'charging', 'pending')
  returning payments.*, payment.status = 'pending' as was_pending
),
released as materialized (
  select release_hold(reservation_id) as verdict from moved where was_pending
),
stored as (
  insert into bookings
    (reference, payment_id, reservation_id, event_id, user_id, seats, amount, currency, status, metadata)
  select
    moved.reference, moved.id, reservation_id, event_id, user_id, seats, moved.amount, moved.currency, 'failed',
    moved.metadata
  from moved join reservations on reservations.id = reservation_id
  where was_pending
  -- The pending one, which may be younger than this statement's snapshot.
  on conflict (payment_id) do update set status = 'failed'
),
-- Where the event was deleted meanwhile there is no reservation to make it of.
ended as (
  update bookings set status = 'failed'
  from moved
  where bookings.payment_id = moved.id and bookings.status = 'pending'
    and not exists (select from reservations where id = moved.reservation_id)
)
select coalesce((select 'failed' from moved), status) as status, (select verdict from released) as hold from payment
