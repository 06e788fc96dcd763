-- Draws the codes of the coupons in drawn_coupons: all from md5 of seed and number, which is the same everywhere.
--
-- Params: $1 text the seed, $2 int people, $3 int the stride from one owner to the next, which shares no factor
--         with the number of people: no coupon has two codes of one person
with numbered as (
  select
    coupon.n as coupon, public, codes, first_code + k as code_n, k,
    md5($1 || ' code ' || first_code + k) as digits,
    ('x' || substr(md5($1 || ' coupon ' || coupon.n), 1, 7))::bit(28)::integer as first_owner
  from drawn_coupons coupon cross join lateral generate_series(0, codes - 1) k
),
keyed as (
  select
    *,
    ((first_owner + k::bigint * $3::int) % $2::int + 1)::text as owner,
    -ln(1 - (('x' || substr(digits, 1, 13))::bit(52)::bigint + 0.5) / 2 ^ 52) as random_key,
    ('x' || substr(digits, 26, 2))::bit(8)::integer as die
  from numbered
)
insert into drawn_codes (coupon, code, random_key, sequence, user_id, is_redeemed)
select
  coupon,
  upper('S' || $1 || '-' || substr(digits, 14, 6) || '-' || lpad(to_hex(code_n), greatest(5, length(to_hex(code_n))), '0')),
  random_key,
  row_number() over (partition by coupon order by random_key, k),
  case when not public then 'user-' || lpad(owner, greatest(7, length(owner)), '0') end,
  not public and die < 26 -- One in ten.
from keyed
