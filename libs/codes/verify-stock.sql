-- Compares each book with its coupon's stock.
--
-- Params: $1 text a coupon's name, or null for all
-- Returns: rows of (invariant text, is_note boolean, found jsonb), none where all is well.
with book as (
  select
    name, amount, remaining_amount,
    (select count(*) from codes where coupon_name = name) as codes,
    (
      select count(*) from codes
      where coupon_name = name and exists (select from assignments where assignments.code = codes.code)
    ) as assigned
  from coupons where has_book and ($1::text is null or name = $1)
)
select
  'stock-is-the-codes', false,
  jsonb_build_object('coupon', name, 'amount', amount, 'remaining_amount', remaining_amount, 'codes', codes,
    'available', codes - assigned)
from book where amount <> codes or remaining_amount <> codes - assigned
