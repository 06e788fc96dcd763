-- Begins a payment for a reservation, whose hold is made to last while it is under way.
--
-- Params: $1 text payment id, $2 uuid reservation, $3 text provider, $4 text reference of the booking to come,
--         $5 int seconds until it is due, $6 int seconds for which seats are held, $7 text metadata as JSON or null,
--         $8 int the most payments of a reservation, $9 bool whether the payer finishes it
-- Returns: one row (verdict of extend_hold, and the payment), or none: there is no such reservation, or its event is
--          canceled, or it had its payments, or one is under way or was booked. A verdict that is not "ok" leaves a
--          row to be taken back.
--
-- The payment first and then the reservation, as everybody locks them: the unique index lets one in at a time.
with begun as (
  insert into payments (id, reservation_id, provider, reference, amount, currency, metadata, is_payers_turn, due_at)
  select $1::text, id, $3::text, $4::text, amount, currency, $7::text::jsonb, $9::bool,
    now() + $5::int * interval '1 s'
  from reservations
  where
    id = $2::uuid
    and not exists (select from events where events.id = event_id and is_canceled)
    and (select count(*) from payments where reservation_id = $2::uuid) < $8::int
  on conflict do nothing
  returning *
),
held as materialized (
  select extend_hold(reservation_id, $6::int) as verdict from begun
)
select held.verdict, begun.* from begun cross join held
