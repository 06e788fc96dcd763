-- Looks at each decision alone: when a claim was granted, and why a ticket was refused.
--
-- Params: $1 text a coupon's name, or null for all
-- Returns: rows of (invariant, is_note, found), see Check in libs/db/checks.ts
--
-- Whether a coupon was open when a claim was granted can be told for claims after its last change. A
-- settle's created_at is the moment by which it judged, and a change that comes between makes it judge
-- again, so this is exact.
with claim as (
  select
    claims.*, coupons.updated_at, coupons.created_at as coupon_created_at, status, starts_at, ends_at,
    jsonb_build_object('coupon', coupon_name, 'user_id', user_id, 'sequence', sequence,
      'granted_at', claims.created_at) as found
  from claims join coupons on name = coupon_name
  where ($1::text is null or coupon_name = $1) and (
    claims.created_at > now() + interval '1 minute'
    or claims.created_at < coupons.created_at - interval '1 minute'
    or (claims.created_at > coupons.updated_at
      and (status <> 'active' or claims.created_at < starts_at or claims.created_at >= ends_at))
  )
)
select
  'granted-while-open', false,
  found || jsonb_build_object('status', status, 'starts_at', starts_at, 'ends_at', ends_at, 'changed_at', updated_at)
from claim
where created_at > updated_at and (status <> 'active' or created_at < starts_at or created_at >= ends_at)
union all
-- A minute for a database that was moved to a machine whose clock is behind.
select 'times-are-possible', false, found || jsonb_build_object('coupon_created_at', coupon_created_at)
from claim
where created_at > now() + interval '1 minute' or created_at < coupon_created_at - interval '1 minute'
union all
select 'times-are-possible', false, jsonb_build_object('ticket', ticket, 'decided_at', decided_at)
from refusals
where decided_at > now() + interval '1 minute' and ($1::text is null or coupon_name = $1)
union all
select 'times-are-possible', false, jsonb_build_object('coupon', name, 'created_at', created_at, 'updated_at', updated_at)
from coupons
where greatest(created_at, updated_at) > now() + interval '1 minute' and ($1::text is null or name = $1)
union all
select 'refusals-have-a-reason', false, jsonb_build_object('ticket', ticket, 'coupon', coupon_name, 'reason', reason)
from refusals
where ($1::text is null or coupon_name = $1) and reason not in
  ('already_claimed', 'paused', 'ended', 'not_started', 'sold_out', 'coupon_not_found', 'failed')
