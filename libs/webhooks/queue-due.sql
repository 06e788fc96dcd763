-- Takes deliveries that are due for the queue: as many of each lane as may be there at once, the longest due first.
--
-- Params: $1 text[]  lanes, or null for all
--         $2 int     the most of a lane in the queue
--         $3 int     ms after which a job that has come to nothing counts as lost
-- Returns: rows of (id, run, message_id, lane, label), a job each. A job that was lost, with the queue store for
--          example, comes again for the same run, so that adding it does nothing where it was not lost.
--
-- While a lane's breaker is open none of its deliveries is taken, and afterwards one at a time until one succeeds.
--
-- Plan: two index lookups a lane, and the first rows of an index for those that have something due.
with lane as materialized (
  select
    lane, callback_origin,
    case when open_until is null then $2::int when open_until > now() then 0 else 1 end
      - (select count(*) from webhook_deliveries queued
          where queued.lane = webhook_lanes.lane and is_queued and due_at > now()) as room
  from webhook_lanes
  where ($1::text[] is null or lane = any ($1::text[])) and exists (
    select from webhook_deliveries due where due.lane = webhook_lanes.lane and status = 'pending' and due_at <= now()
  )
),
due as materialized (
  select taken.id
  from lane cross join lateral (
    select id from webhook_deliveries
    where webhook_deliveries.lane = lane.lane and status = 'pending' and due_at <= now()
    order by due_at limit greatest(lane.room, 0) for update skip locked
  ) taken
),
queued as (
  update webhook_deliveries set is_queued = true, due_at = now() + $3::int * interval '1 ms'
  where id = any (array(select id from due))
  returning id, run, message, lane
)
select
  queued.id, run, (select id from webhook_messages where position = message) as message_id, lane,
  coalesce(
    (select substring(url from '^[^/]+//([^/?#]+)') from webhook_endpoints where webhook_endpoints.id = lane),
    (select substring(callback_origin from '//(.*)') from webhook_lanes where webhook_lanes.lane = queued.lane)
  ) as label
from queued
