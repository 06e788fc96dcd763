-- Stores the codes of drawn_codes. The triggers make them their coupons' stock.
insert into codes (code, coupon_name, random_key, created_at)
select code, name, random_key, timestamptz '2024-01-01 00:00:00Z'
from drawn_codes join drawn_coupons on n = coupon
order by code
