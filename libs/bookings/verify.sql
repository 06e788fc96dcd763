-- Compares bookings with their payments, refunds, reservations and seats.
--
-- Params: $1 text a coupon's name, or null for all; bookings belong to no coupon
-- Returns: rows of (invariant text, is_note boolean, found jsonb), none where all is well. A note has an allowed
--          cause: a provider that has been away for long, or refuses to give back what is owed.
with booking as (
  select
    bookings.*, payments.status as payment_status, payments.amount as paid,
    reservations.status as reservation_status, reservations.seat_count, expires_at,
    (select count(*) from seats where seats.reservation_id = bookings.reservation_id and seats.status = 'booked') as has,
    jsonb_build_object('reference', bookings.reference, 'status', bookings.status, 'payment_id', payment_id,
      'reservation_id', bookings.reservation_id) as found
  from bookings
  left join payments on payments.id = payment_id
  left join reservations on reservations.id = bookings.reservation_id
  where $1::text is null
),
given as (
  select
    payment_id, coalesce(sum(amount) filter (where status = 'succeeded'), 0) as back,
    coalesce(sum(amount) filter (where status = 'pending'), 0) as asked, bool_or(why = 'undo') as is_undo
  from refunds where $1::text is null group by payment_id
),
payment as (
  select
    payments.*, coalesce(back, 0) as back, coalesce(asked, 0) as asked, coalesce(is_undo, false) as is_undo,
    jsonb_build_object('payment_id', id, 'status', status, 'charge_id', charge_id, 'amount', amount, 'refunded',
      coalesce(back, 0), 'refunding', coalesce(asked, 0), 'due_at', due_at) as found
  from payments left join given on payment_id = id
  where $1::text is null
)
select 'seats-are-booked-once', false, jsonb_build_object('seat', seat, 'event_id', event_id, 'references', references_)
from (
  select event_id, seat ->> 'number' as seat, jsonb_agg(reference) as references_
  from booking cross join jsonb_array_elements(seats) as seat
  -- A pending booking has its seats as long as they are held for it, by the clock as it is in the snapshot.
  where status = 'confirmed'
    or status = 'pending' and reservation_status = 'active' and expires_at > clock_timestamp()
  group by event_id, seat ->> 'number'
) sold
where jsonb_array_length(references_) > 1
union all
select 'bookings-have-their-seats', false, found || jsonb_build_object('seats', seat_count, 'booked', has)
from booking
where status = 'confirmed' and (
  has is distinct from seat_count or jsonb_array_length(seats) <> seat_count or reservation_status is distinct from 'booked'
)
union all
select 'booked-reservations-have-a-booking', false, jsonb_build_object('reservation_id', id, 'status', status)
from reservations
where $1::text is null and status = 'booked'
  and not exists (select from bookings where reservation_id = reservations.id and bookings.status = 'confirmed')
union all
select 'booked-reservations-have-a-booking', false, found || jsonb_build_object('booked', has)
from booking where status = 'canceled' and has > 0
union all
select 'bookings-are-paid', false, found || jsonb_build_object('amount', amount, 'paid', paid, 'payment', payment_status)
from booking
where paid is distinct from amount or not case status
  when 'pending' then payment_status = 'pending'
  when 'failed' then payment_status in ('failed', 'undone')
  else payment_status = 'booked' end
union all
select 'charges-are-booked-or-given-back', false, found
from payment
where case status
  when 'booked' then not exists (select from bookings where payment_id = payment.id and status in ('confirmed', 'canceled'))
  when 'undone' then not is_undo or back + asked <> amount
  when 'pending' then not exists (select from bookings where payment_id = payment.id and status = 'pending')
  else false end
union all
-- What nobody takes up, what a provider keeps pending or would not give back is worth a look after its time;
-- after a day somebody has to see to it.
select 'payments-do-not-stand-still', least(due_at, pending_until) > now() - interval '1 day', found
from payment
where due_at < now() - interval '2 minutes' or status = 'pending' and pending_until < now() - interval '10 minutes'
union all
select 'payments-do-not-stand-still', created_at > now() - interval '1 day',
  jsonb_build_object('refund_id', id, 'payment_id', payment_id, 'amount', amount, 'why', why, 'reason', reason)
from refunds
where $1::text is null and status = 'pending' and created_at < now() - interval '15 minutes'
union all
select 'refunds-within-payment', false, found || jsonb_build_object('back', back, 'asked', asked,
  'refunded_amount', refunded_amount, 'refunding_amount', refunding_amount, 'amount', amount)
from booking left join given using (payment_id)
where status in ('confirmed', 'canceled') and (
  coalesce(back, 0) <> refunded_amount or coalesce(asked, 0) <> refunding_amount
  or refunded_amount + refunding_amount > amount
  or status = 'canceled' and refunded_amount + refunding_amount <> amount
  or status = 'confirmed' and refunded_amount = amount and amount > 0
)
