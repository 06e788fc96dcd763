-- Sends a message again, with its id and a schedule of its own.
--
-- Params: $1 text the message's id, $2 text an endpoint, or null for every receiver that it was meant for
-- Returns: one row (is_known, status, resent): whether there is such a message; the status of endpoint $2, null where
--          there is none; and to how many receivers it goes. Disabled endpoints are left out.
--
-- The message is locked: while it is being pruned it is waited for, or its delivery would stay without it for ever.
with message as materialized (
  select position from webhook_messages where id = $1::text for key share
),
receiver as materialized (
  select lane
  from message
  join webhook_deliveries on webhook_deliveries.message = position
  join webhook_lanes using (lane)
  left join webhook_endpoints on webhook_endpoints.id = lane
  where $2::text is null and (callback_origin is not null or webhook_endpoints.status = 'enabled')
  union all
  select id from webhook_endpoints cross join message where id = $2::text and status = 'enabled'
),
lanes as (
  insert into webhook_lanes (lane) select lane from receiver on conflict (lane) do nothing
),
resent as (
  insert into webhook_deliveries (message, lane, reason)
  select position, lane, 'resend' from receiver cross join message
  on conflict (message, lane) do update
    set status = 'pending', reason = 'resend', attempts = 0, run = webhook_deliveries.run + 1, is_queued = false,
      due_at = now()
  returning 1
)
select
  exists (select from message) as is_known,
  (select status from webhook_endpoints where id = $2::text) as status,
  (select count(*) from resent)::int as resent
