-- Finds tickets that were decided twice: in claims, in refusals, or in both.
--
-- Params: $1 text a coupon's name, or null for all
-- Returns: rows of (invariant, is_note, found), see Check in libs/db/checks.ts
--
-- `failed` is no outcome: a ticket that failed may be granted or refused when an operator retries its job.
with decided as (
  select ticket, coupon_name, 'granted' as outcome from claims
  where ticket is not null and ($1::text is null or coupon_name = $1)
  union all
  select ticket, coupon_name, reason from refusals
  where reason <> 'failed' and ($1::text is null or coupon_name = $1)
)
select
  'tickets-are-decided-once', false,
  jsonb_build_object('ticket', ticket, 'coupon', min(coupon_name), 'outcomes', jsonb_agg(outcome))
from decided group by ticket having count(*) > 1
