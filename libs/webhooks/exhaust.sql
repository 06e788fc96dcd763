-- Ends the deliveries of endpoints that are disabled, so that they are listed as exhausted; recover begins them anew.
--
-- Params: $1 int  the most of an endpoint at once
-- Returns: one row (count)
with hopeless as materialized (
  select pending.id
  from webhook_lanes
  left join webhook_endpoints on webhook_endpoints.id = lane
  cross join lateral (
    select webhook_deliveries.id from webhook_deliveries
    where webhook_deliveries.lane = webhook_lanes.lane and webhook_deliveries.status = 'pending'
    limit $1::int for update skip locked
  ) pending
  where callback_origin is null and webhook_endpoints.status is distinct from 'enabled'
),
exhausted as (
  update webhook_deliveries set status = 'exhausted', is_queued = false, run = run + 1
  where id = any (array(select id from hopeless))
  returning id
)
select count(*)::int as count from exhausted
