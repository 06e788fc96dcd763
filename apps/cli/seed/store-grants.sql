-- Gives the personal codes of drawn_codes to their owners, as claims that were granted in the order of their
-- keys; some were redeemed since.
with given as materialized (
  select
    name, code, user_id, sequence, is_redeemed,
    timestamptz '2025-01-01 00:00:00Z' + sequence * interval '1 ms' as granted_at
  from drawn_codes join drawn_coupons on n = coupon
  where user_id is not null
),
claimed as (
  insert into claims (user_id, coupon_name, ordinal, sequence, created_at)
  select user_id, name, 1, sequence, granted_at from given order by name, sequence
  returning id, coupon_name, sequence
),
held as materialized (
  select claimed.id as claim_id, given.*
  from claimed join given on given.name = claimed.coupon_name and given.sequence = claimed.sequence
),
assigned as (
  insert into assignments (claim_id, coupon_id, code, user_id, assigned_at, status, redemption_count, redeemed_at)
  select
    claim_id, coupons.id, code, user_id, granted_at,
    case when is_redeemed then 'redeemed' else 'assigned' end, is_redeemed::integer,
    case when is_redeemed then granted_at + interval '1 hour' end
  from held join coupons on coupons.name = held.name
  order by claim_id
),
used as (
  insert into redemptions (claim_id, coupon_id, created_at, code, coupon_name, user_id)
  select claim_id, coupons.id, granted_at + interval '1 hour', code, held.name, user_id
  from held join coupons on coupons.name = held.name
  where is_redeemed order by claim_id
)
insert into code_audit (claim_id, created_at, code, action, actor, user_id, status_before, status_after)
select
  claim_id, granted_at + change.after, code, change.action, change.actor, user_id, change.status_before,
  change.status_after
from held cross join (values
  (interval '0', 'assign', 'claim', 'available', 'assigned', false),
  (interval '1 hour', 'redeem', 'user', 'assigned', 'redeemed', true)
) as change (after, action, actor, status_before, status_after, is_redeeming)
where is_redeemed or not is_redeeming
order by claim_id, change.after
