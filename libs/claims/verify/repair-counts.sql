-- Puts a coupon's counters and stock right by its claims, and the stock of a book by its codes. To be run in a
-- transaction that has the coupon's row locked already: whatever grants, inserts or moves claims, and whatever
-- changes the book, waits for that row.
--
-- Params: $1 uuid the coupon
-- Returns: a row with the columns as they were and as they are, or none where nothing was wrong or may be touched.
--
-- Where claims are gone that are still counted, or have numbers that were never given out, the counters are the
-- only trace of a lost or doubled grant: then nothing is set by the claims. Units of claims that were deleted by
-- hand stay as they are, for sale or not. The epochs rise and everybody is told, so that every gate loads the coupon
-- and who holds its claims again; updated_at stays, since verify judges older claims by it, and the coupon's terms are
-- not changed.
with counted as (
  select count(*) as n, coalesce(max(sequence), 0) as last
  from claims where coupon_name = (select name from coupons where id = $1::uuid)
),
book as (
  select
    count(*) as codes,
    count(*) filter (where not exists (select from assignments where assignments.code = codes.code)) as available
  from codes where coupon_name = (select name from coupons where id = $1::uuid and has_book)
),
judged as (
  select
    coupons.*, n, codes, available, n >= claimed_count and last <= granted_count as is_sound,
    jsonb_build_object('amount', amount, 'remaining_amount', remaining_amount, 'claimed_count', claimed_count) as before
  from coupons cross join counted cross join book where id = $1::uuid
),
corrected as (
  select
    id, before,
    case when is_sound then n else claimed_count end as claimed_count,
    case when has_book then codes else amount end as amount,
    case
      when has_book then available
      when not is_sound then remaining_amount
      -- The nearest that lies between: no claimed unit is for sale, and no other is withheld.
      else greatest(0, least(amount - n, greatest(remaining_amount, amount - granted_count)))
    end as remaining_amount
  from judged
)
update coupons
set
  claimed_count = corrected.claimed_count,
  amount = corrected.amount,
  remaining_amount = corrected.remaining_amount,
  revision = coupons.revision + 1,
  epoch = coupons.epoch + 1,
  claims_epoch = coupons.claims_epoch + 1
from corrected
where coupons.id = corrected.id
  and (coupons.claimed_count, coupons.amount, coupons.remaining_amount)
    is distinct from (corrected.claimed_count, corrected.amount, corrected.remaining_amount)
returning
  before,
  jsonb_build_object('amount', coupons.amount, 'remaining_amount', coupons.remaining_amount,
    'claimed_count', coupons.claimed_count) as after,
  notify_coupon_changed(coupons.name)
