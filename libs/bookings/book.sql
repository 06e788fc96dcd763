-- Makes a booking of a charge that succeeded, or a refund of it where its seats cannot be had any more.
--
-- Params: $1 text payment id, $2 text id of the refund, should it come to one, $3 int seconds until that is due
-- Returns: one row (status, refund_id): the payment is "booked" or "undone", now or before; refund_id when it was
--          undone now.
--
-- A pending booking may be younger than this statement's snapshot when it had to wait for the payment's lock, so
-- that only an upsert is sure to meet it.
with payment as materialized (
  select * from payments where id = $1::text for update
),
taken as materialized (
  select book_seats(reservation_id) as verdict from payment where status in ('preparing', 'charging', 'pending')
),
decided as materialized (
  select
    payment.*, status not in ('booked', 'undone') as is_new, coalesce(taken.verdict, 'given up') as why,
    case when status in ('booked', 'undone') then status when taken.verdict = 'ok' then 'booked' else 'undone' end as becomes
  from payment left join taken on true
),
moved as (
  update payments
  set status = becomes, due_at = null, updated_at = now(), reason = case when becomes = 'undone' then 'seats ' || why end
  from decided where payments.id = decided.id and is_new
),
stored as (
  insert into bookings
    (reference, payment_id, reservation_id, event_id, user_id, seats, amount, currency, status, metadata, confirmed_at)
  select
    reference, decided.id, reservation_id, event_id, user_id, seats, decided.amount, decided.currency,
    case becomes when 'booked' then 'confirmed' else 'failed' end, decided.metadata,
    case becomes when 'booked' then now() end
  from decided join reservations on reservations.id = reservation_id
  where is_new and (becomes = 'booked' or decided.status = 'pending')
  on conflict (payment_id) do update set status = excluded.status, confirmed_at = excluded.confirmed_at
  returning *
),
-- Where the event was deleted meanwhile there is no reservation to make it of. Also later, for one that was too young.
ended as (
  update bookings set status = 'failed'
  from decided
  where bookings.payment_id = decided.id and bookings.status = 'pending' and becomes = 'undone'
    and not exists (select from reservations where id = decided.reservation_id)
),
undone as (
  insert into refunds (id, payment_id, amount, why, due_at)
  select $2::text, id, amount, 'undo', now() + $3::int * interval '1 s' from decided where is_new and becomes = 'undone'
  returning id
),
told as (
  insert into outbox (type, subject, data)
  select 'booking.confirmed', event_id::text, booking_told(stored::bookings) from stored
  where status = 'confirmed' and webhooks_wanted()
)
select becomes as status, (select id from undone) as refund_id from decided
