-- Puts a coupon's counters and stock right by its claims. To be run in a transaction that has the
-- coupon's row locked already: whatever grants, inserts or moves claims waits for that row.
--
-- Params: $1 uuid the coupon
-- Returns: the row as it is now, or none where nothing was wrong.
--
-- Units of claims that were deleted by hand stay as they are, for sale or not. The stock of a coupon with
-- a book is its codes, which only people can put right. The triggers raise the
-- epoch, so every gate loads the coupon again.
with counted as (
  select count(*) as n, coalesce(max(sequence), 0) as last
  from claims where coupon_name = (select name from coupons where id = $1::uuid)
),
corrected as (
  select
    id, n as claimed_count, greatest(granted_count, last, n) as granted_count,
    -- The nearest that lies between: no claimed unit is for sale, and no other is withheld.
    case when has_book then remaining_amount
      else greatest(0, least(amount - n, greatest(remaining_amount, amount - greatest(granted_count, last, n))))
    end as remaining_amount
  from coupons cross join counted where id = $1::uuid
)
update coupons
set
  claimed_count = corrected.claimed_count,
  granted_count = corrected.granted_count,
  remaining_amount = corrected.remaining_amount
from corrected
where coupons.id = corrected.id
  and (coupons.claimed_count, coupons.granted_count, coupons.remaining_amount)
    is distinct from (corrected.claimed_count, corrected.granted_count, corrected.remaining_amount)
returning coupons.name, coupons.amount, coupons.remaining_amount, coupons.granted_count, coupons.claimed_count
