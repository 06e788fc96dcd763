-- Notes that a charge may still go either way: a pending booking, whose seats stay held.
--
-- Params: $1 text payment id, $2 int seconds that it may be pending in all, $3 int seconds until it is looked at,
--         $4 int seconds that seats are held beyond that time
-- Returns: one row (status), as it is now: "pending", or what came of it meanwhile.
with payment as materialized (
  select * from payments where id = $1::text for update
),
moved as (
  update payments
  set
    status = 'pending', updated_at = now(), due_at = now() + $3::int * interval '1 s',
    pending_until = coalesce(payments.pending_until, now() + $2::int * interval '1 s')
  from payment where payments.id = payment.id and payment.status in ('charging', 'pending')
  returning payments.*
),
held as materialized (
  select extend_hold(reservation_id, $2::int + $4::int) as verdict from moved
),
stored as (
  insert into bookings
    (reference, payment_id, reservation_id, event_id, user_id, seats, amount, currency, status, metadata)
  select
    moved.reference, moved.id, reservation_id, event_id, user_id, seats, moved.amount, moved.currency, 'pending',
    moved.metadata
  from moved join reservations on reservations.id = reservation_id
  on conflict (payment_id) do nothing
)
select coalesce((select 'pending' from moved), status) as status, (select verdict from held) as hold from payment
