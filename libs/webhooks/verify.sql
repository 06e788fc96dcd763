-- Compares what was decided with what is told, and to whom.
--
-- Params: $1 text a coupon's name, or null for all
-- Returns: rows of (invariant text, is_note boolean, found jsonb), none where all is well. A note has an
--          allowed cause: workers that are busy, stopped, or have a lane paused.
--
-- Outcomes and messages are of the last day, so that they have not been pruned; and of a minute after an endpoint
-- was there or was changed, so that a statement which began before it does not count.
with since as materialized (
  select greatest(min(created_at) + interval '1 minute', now() - interval '1 day') as at from webhook_endpoints
  having count(*) > 0 -- Where nobody is told, nothing is to be told; greatest() would leave the null out.
),
outcome as (
  select ticket, coupon_name, 'claim.granted' as type, created_at as decided_at from claims
  where ticket is not null and created_at >= (select at from since)
  union all
  select ticket, coupon_name, 'claim.refused', decided_at from refusals
  where reason <> 'failed' and decided_at >= (select at from since)
),
waiting as materialized (
  select outcome ->> 0 as ticket from outbox cross join json_array_elements(outcomes::json) listed (outcome)
),
told as materialized (
  select ticket, type, count(*) as times from webhook_messages
  where ticket is not null and created_at >= (select at from since) group by ticket, type
),
numbered as (
  select
    webhook_messages.subject, min(coupon_name) as coupon, max(event_sequence) as newest,
    max(event_sequence) - min(event_sequence) + 1 - count(distinct event_sequence) as missing,
    count(*) - count(distinct event_sequence) as doubled
  from webhook_messages where $1::text is null or coupon_name = $1 group by webhook_messages.subject
)
select
  'events-are-numbered-without-gaps', false,
  jsonb_build_object('subject', numbered.subject, 'coupon', coupon, 'missing', missing, 'doubled', doubled,
    'newest', newest, 'counted', last_sequence)
from numbered left join webhook_subjects on webhook_subjects.subject = numbered.subject
where missing <> 0 or doubled <> 0 or newest is distinct from last_sequence
union all
select
  'every-outcome-is-told-once', false,
  jsonb_build_object('coupon', coupon_name, 'ticket', outcome.ticket, 'type', outcome.type, 'decided_at', decided_at,
    'messages', coalesce(times, 0))
from outcome
left join told on told.ticket = outcome.ticket and told.type = outcome.type
left join waiting on waiting.ticket = outcome.ticket
where coalesce(times, 0) <> 1 and waiting.ticket is null and ($1::text is null or coupon_name = $1)
union all
select
  'every-endpoint-is-told', false,
  jsonb_build_object('message', webhook_messages.id, 'endpoint', webhook_endpoints.id, 'coupon', coupon_name)
from webhook_endpoints
join webhook_messages on webhook_messages.created_at >= (select at from since)
  and webhook_messages.created_at > webhook_endpoints.updated_at + interval '1 minute'
  and (event_types is null or type = any (event_types)) and (coupons is null or coupon_name = any (coupons))
left join webhook_deliveries on message = position and lane = webhook_endpoints.id
where webhook_endpoints.status = 'enabled' and webhook_deliveries.id is null and ($1::text is null or coupon_name = $1)
union all
-- Workers may be away for a while; after a day somebody has to see to it.
select
  'no-delivery-is-forgotten', due_at > now() - interval '1 day',
  jsonb_build_object('message', message, 'lane', lane, 'due_at', due_at)
from webhook_deliveries
join webhook_lanes using (lane)
where webhook_deliveries.status = 'pending' and due_at < now() - interval '10 minutes'
  -- A receiver that is spared is tried at the end of it: where it was not for so long, nobody is at it.
  and coalesce(open_until, '-infinity') < now() - interval '10 minutes'
  and ($1::text is null or exists (select from webhook_messages where position = message and coupon_name = $1))
