-- Compares the counters of validations with the log.
--
-- Params: $1 text a coupon's name, or null for all
-- Returns: rows of (invariant text, is_note boolean, found jsonb), none where all is well. A note has an allowed
--          cause: rows of the log that were deleted by hand.
with logged as (
  select coupon_id, count(*) as n, count(*) filter (where valid) as valid from validations
  where coupon_id is not null and ($1::text is null or coupon_id = (select id from coupons where name = $1))
  group by coupon_id
),
counted as (
  select
    coupon_id, sum(attempts - removed) as n, sum(attempts - removed) filter (where reason = '') as valid
  from validation_counts
  where $1::text is null or coupon_id = (select id from coupons where name = $1)
  group by coupon_id
)
select
  'validations-are-counted-once',
  coalesce(logged.n, 0) <= coalesce(counted.n, 0) and coalesce(logged.valid, 0) <= coalesce(counted.valid, 0),
  jsonb_build_object('coupon', name, 'coupon_id', coalesce(logged.coupon_id, counted.coupon_id), 'in the log',
    coalesce(logged.n, 0), 'counted', coalesce(counted.n, 0))
from logged full join counted on counted.coupon_id = logged.coupon_id
left join coupons on id = coalesce(logged.coupon_id, counted.coupon_id)
where coalesce(logged.n, 0) <> coalesce(counted.n, 0) or coalesce(logged.valid, 0) <> coalesce(counted.valid, 0)
