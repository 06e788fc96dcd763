-- Ends the deliveries of endpoints that are disabled, so that they are listed as exhausted; recover begins them anew.
-- Those of endpoints that were deleted go, also where they are exhausted already. In bites, and past what somebody has
-- in hand: to delete them with their endpoint would wait for attempts under way, and those for it.
--
-- Params: $1 int  the most at once
-- Returns: one row (count)
with hopeless as materialized (
  select left_over.id, webhook_endpoints.id is null as is_gone
  from webhook_lanes
  left join webhook_endpoints on webhook_endpoints.id = lane
  cross join lateral (
    select id from (
      select webhook_deliveries.id from webhook_deliveries
      where webhook_deliveries.lane = webhook_lanes.lane and webhook_deliveries.status = 'pending'
      limit $1::int for update skip locked
    ) pending
    union all
    select id from (
      select webhook_deliveries.id from webhook_deliveries
      where webhook_endpoints.id is null
        and webhook_deliveries.lane = webhook_lanes.lane and webhook_deliveries.status = 'exhausted'
      limit $1::int for update skip locked
    ) exhausted
  ) left_over
  where callback_origin is null and webhook_endpoints.status is distinct from 'enabled'
  limit $1::int
),
exhausted as (
  update webhook_deliveries set status = 'exhausted', is_queued = false, run = run + 1
  where id = any (array(select id from hopeless where not is_gone))
),
removed as (
  delete from webhook_deliveries where id = any (array(select id from hopeless where is_gone))
)
select count(*)::int as count from hopeless
