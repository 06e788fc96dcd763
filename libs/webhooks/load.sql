-- What an attempt needs to know of its delivery.
--
-- Params: $1 bigint[]  deliveries
-- Returns: rows of (id, run, lane, attempts, reason, message_id, payload, url, is_callback, secrets, is_open, now_s): url null
--          where the endpoint is gone or disabled, secrets in force as sealed, is_open while the breaker is, now_s
--          the database's clock in Unix seconds. No row for what is not pending.
select
  webhook_deliveries.id, run, webhook_deliveries.lane, attempts, reason, webhook_messages.id as message_id, payload,
  case when callback_origin is null then url else callback_url end as url,
  callback_origin is not null as is_callback,
  webhook_secrets_in_force(
    case when callback_origin is null then secrets
      else (select value::jsonb from installation where key = 'webhook_callback_secrets') end
  ) as secrets,
  coalesce(open_until > now(), false) as is_open,
  floor(extract(epoch from clock_timestamp()))::bigint as now_s
from webhook_deliveries
join webhook_messages on position = message
join webhook_lanes on webhook_lanes.lane = webhook_deliveries.lane
left join webhook_endpoints on webhook_endpoints.id = webhook_deliveries.lane and webhook_endpoints.status = 'enabled'
where webhook_deliveries.id = any ($1::bigint[]) and webhook_deliveries.status = 'pending'
