-- Sends an endpoint what it has missed: messages that its filters let pass and that it was not told, because it was
-- disabled or new, or because their attempts are exhausted. A bite of them, in the order of their time.
--
-- Params: $1 text the endpoint, $2 text the time and $3 bigint the position after which to go on, $4 int messages in a bite
-- Returns: one row (status, seen, recovered, last_at, last_position, since): the endpoint's status, null where there is
--          none; how many messages were looked at, how many of them are sent; where to go on, and from which time on to ask
--          again, which is that of the last one.
--
-- Messages are locked, so that one that is being pruned is waited for and then passed over: its delivery would stay for ever.
with endpoint as materialized (
  select * from webhook_endpoints where id = $1::text
),
bite as materialized (
  select created_at, position, type, coupon_name from webhook_messages
  where (created_at, position) > ($2::text::timestamptz, $3::bigint)
  order by created_at, position limit $4::int for key share
),
lanes as (
  insert into webhook_lanes (lane) select id from endpoint where status = 'enabled' on conflict (lane) do nothing
),
recovered as (
  insert into webhook_deliveries (message, lane, reason)
  select position, id, 'recover'
  from bite cross join endpoint
  where status = 'enabled'
    and (event_types is null or type = any (event_types)) and (coupons is null or coupon_name = any (coupons))
  order by position
  on conflict (message, lane) do update
    set status = 'pending', reason = 'recover', attempts = 0, run = webhook_deliveries.run + 1, is_queued = false,
      due_at = now()
    where webhook_deliveries.status = 'exhausted'
  returning 1
)
select
  (select status from endpoint) as status,
  (select count(*) from bite)::int as seen,
  (select count(*) from recovered)::int as recovered,
  (select created_at::text from bite order by created_at desc, position desc limit 1) as last_at,
  (select position from bite order by created_at desc, position desc limit 1) as last_position,
  (select utc(max(created_at)) from bite) as since
