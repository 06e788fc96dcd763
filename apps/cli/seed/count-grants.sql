-- Brings the counters of drawn_coupons in step with what was granted: personal codes have all left their book.
update coupons
set
  remaining_amount = 0, granted_count = held.n, claimed_count = held.n, book_position = held.last_key
from (
  select coupon, count(*) as n, max(random_key) as last_key from drawn_codes where user_id is not null group by coupon
) held
join drawn_coupons on drawn_coupons.n = held.coupon
where coupons.name = drawn_coupons.name
