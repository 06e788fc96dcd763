-- Notes what came of a refund. When all was given back, the booking is canceled and its seats are free, unless that
-- is so already: a part of it was owed again.
--
-- Params: $1 text refund id, $2 text status (succeeded or failed), $3 text the provider's id of it or null,
--         $4 text why it failed or null
-- Returns: one row (status), as it is now.
with booking as materialized (
  select * from bookings where payment_id = (select payment_id from refunds where id = $1::text) for update
),
refund as materialized (
  select refunds.* from (select count(*) from booking) as locked cross join refunds where id = $1::text for update of refunds
),
moved as (
  update refunds
  set status = $2::text, provider_refund_id = $3::text, reason = $4::text, due_at = null, settled_at = now()
  from refund where refunds.id = refund.id and refund.status = 'pending'
  returning refunds.*
),
counted as (
  update bookings
  set
    refunding_amount = refunding_amount - moved.amount,
    refunded_amount = refunded_amount + case moved.status when 'succeeded' then moved.amount else 0 end,
    status = case when moved.status = 'succeeded' and refunded_amount + moved.amount = bookings.amount
      then 'canceled' else bookings.status end,
    canceled_at = coalesce(canceled_at, case when moved.status = 'succeeded'
      and refunded_amount + moved.amount = bookings.amount then now() end)
  from moved where bookings.payment_id = moved.payment_id and moved.why = 'request'
  returning bookings.*, moved.id as refund_id, moved.amount as given, moved.status as outcome
),
freed as materialized (
  select give_back_seats(reservation_id) as verdict from counted where status = 'canceled'
),
told as (
  insert into outbox (type, subject, data)
  select type, counted.event_id::text,
    booking_told(bookings) || jsonb_build_object('status', counted.status, 'refunded_amount', counted.refunded_amount)
      || case type when 'booking.refunded'
        then jsonb_build_object('refund', jsonb_build_object('id', refund_id, 'amount', given)) else '{}' end
  from counted
  join bookings using (reference)
  cross join lateral (values (1, 'booking.refunded'), (2, 'booking.canceled')) as events (place, type)
  where outcome = 'succeeded' and webhooks_wanted()
    and (type = 'booking.refunded' or counted.status = 'canceled' and (select status from booking) <> 'canceled')
  order by place
)
select coalesce((select status from moved), status) as status, (select verdict from freed) as seats from refund
