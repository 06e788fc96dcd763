-- Notes that what counted as given back came back: it is owed again. A booking that was canceled by it
-- stays so, since its seats may be somebody else's by now.
--
-- Params: $1 text refund id, $2 text the provider's id of it, $3 text why, $4 int seconds until it is due
-- Returns: nothing. Done twice it is done once.
with booking as materialized (
  select * from bookings where payment_id = (select payment_id from refunds where id = $1::text) for update
),
refund as materialized (
  select refunds.* from (select count(*) from booking) as locked cross join refunds where id = $1::text for update of refunds
),
moved as (
  update refunds
  set
    status = 'pending', provider_refund_id = null, reason = $3::text, refusals = refunds.refusals + 1,
    due_at = now() + $4::int * interval '1 s', settled_at = null
  from refund
  where refunds.id = refund.id and refund.status = 'succeeded' and refund.provider_refund_id = $2::text
  returning refunds.*
)
update bookings
set refunded_amount = refunded_amount - moved.amount, refunding_amount = refunding_amount + moved.amount
from moved where bookings.payment_id = moved.payment_id and moved.why = 'request'
