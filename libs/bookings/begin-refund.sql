-- Begins to give back a booking's money, all that is left of it or a part.
--
-- Params: $1 text reference, $2 text refund id, $3 bigint minor units or null for all that is left,
--         $4 int seconds until it is due
-- Returns: one row (verdict, left): "ok"; "same" where the refund of that id was begun, or nothing is left and
--          all was asked for; else why not. left: minor units that could still be given back.
--
-- What is asked for and what is given back are kept on the booking's row, whose lock makes refunds count one after
-- the other.
with booking as materialized (
  select *, amount - refunded_amount - refunding_amount as rest from bookings where reference = $1::text for update
),
judged as materialized (
  select
    case
      when booking.reference is null then 'booking_not_found'
      when exists (select from refunds where id = $2::text) then 'same'
      when status in ('pending', 'failed') then 'booking_not_confirmed'
      when $3::bigint is null and (status = 'canceled' or rest = 0 and amount > 0) then 'same'
      when status = 'canceled' then 'already_refunded'
      when $3::bigint > rest then 'refund_exceeds_payment'
      else 'ok'
    end as verdict,
    coalesce($3::bigint, rest) as given, payment_id, coalesce(rest, 0) as left
  from (select) as always left join booking on true
),
begun as (
  insert into refunds (id, payment_id, amount, why, due_at)
  select $2::text, payment_id, given, 'request', now() + $4::int * interval '1 s' from judged where verdict = 'ok'
),
counted as (
  update bookings set refunding_amount = refunding_amount + given
  from judged where verdict = 'ok' and bookings.payment_id = judged.payment_id
)
select verdict, judged.left from judged
