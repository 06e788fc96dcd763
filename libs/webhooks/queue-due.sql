-- Takes deliveries that are due for the queue: as many of each lane as may be there at once, the longest due first, and of
-- lanes by lot until there are enough.
--
-- Params: $1 text[]  lanes, or null for all
--         $2 int     the most of a lane in the queue
--         $3 int     ms after which a job that has come to nothing counts as lost
--         $4 int     the most of all lanes together
-- Returns: rows of (id, run, message_id, lane, label, was_queued), a job each, in the order of lanes. was_queued: its job
--          counts as lost, with the queue store for example, and is added again for the same run.
--
-- While a lane's breaker is open none of its deliveries is taken, and afterwards one at a time until one succeeds.
-- Whatever is in the queue takes room there, lost or not; what is lost has its room already. A delivery whose message is
-- gone, deleted by hand for example, goes too when its turn comes: it would keep its room for ever.
--
-- Plan: one index lookup a lane, and until there are enough three for each of those that have something due, sorted before
-- anything is counted. Only what is taken is locked; whoever takes the same at the same moment finds that it is not due.
-- Measured with 450,000 that are due in 300 lanes and room for 100 each: 2,000 are taken in 50 to 140 ms. Lanes that are
-- full are counted all the same, every second: 60 ms for these.
with lane as materialized (
  select lane, most - queued as room, most - queued_and_not_lost as room_of_lost
  from (
    select lane, case when open_until is null then $2::int when open_until > now() then 0 else 1 end as most
    from webhook_lanes
    where ($1::text[] is null or lane = any ($1::text[])) and exists (
      select from webhook_deliveries due where due.lane = webhook_lanes.lane and status = 'pending' and due_at <= now()
    )
    order by random()
  ) waiting
  cross join lateral (
    select count(*) as queued, count(*) filter (where due_at > now()) as queued_and_not_lost
    from webhook_deliveries where webhook_deliveries.lane = waiting.lane and is_queued
  ) counted
),
next as materialized (
  select due.id from lane cross join lateral (
    (
      select id from webhook_deliveries
      where webhook_deliveries.lane = lane.lane and is_queued and due_at <= now()
      order by due_at limit greatest(lane.room_of_lost, 0)
    )
    union all
    (
      select id from webhook_deliveries
      where webhook_deliveries.lane = lane.lane and status = 'pending' and not is_queued and due_at <= now()
      order by due_at limit greatest(lane.room, 0)
    )
  ) due
  limit $4::int
),
taken as materialized (
  select webhook_deliveries.id, is_queued as was_queued, webhook_messages.id as message_id
  from webhook_deliveries left join webhook_messages on position = message
  where webhook_deliveries.id = any (array(select id from next)) and status = 'pending' and due_at <= now()
  for update of webhook_deliveries skip locked
),
orphaned as (
  delete from webhook_deliveries where id = any (array(select id from taken where message_id is null))
),
queued as (
  update webhook_deliveries set is_queued = true, due_at = now() + $3::int * interval '1 ms'
  where id = any (array(select id from taken where message_id is not null))
  returning id, run, lane
)
select
  queued.id, run, message_id, lane,
  coalesce(
    (select substring(url from '^[^/]+//([^/?#\\]+)') from webhook_endpoints where webhook_endpoints.id = lane),
    (select substring(callback_origin from '//(.*)') from webhook_lanes where webhook_lanes.lane = queued.lane)
  ) as label,
  was_queued
from queued join taken using (id)
order by lane, queued.id
