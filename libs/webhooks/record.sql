-- Puts attempts on record: what becomes of their deliveries, how well their receivers do, and whether an endpoint
-- is disabled for it.
--
-- Params: $1 text  JSON list of {delivery, run, verdict, is_ours, number, url, wait_ms, status_code, error, duration_ms,
--                  body}, each delivery once; is_ours: it failed on our side, which says nothing of the receiver; verdict: delivered, retry, exhausted, aborted (exhausted, since the endpoint wants no
--                  more of this message, which is as good an answer as another), gone or receiver (exhausted, and the
--                  endpoint wants no more at all: it answered 410, or said so), or held (no attempt was made: the breaker
--                  is open, or the endpoint disabled)
--         $2 int   s of nothing but failures after which an endpoint is disabled
--         $3 int   and how many failures that must be at least
--         $4 int   s over which the breaker counts, $5 int from how many attempts on, $6 real and which share of failures
--                  opens it, $7 int for how many s
--         $8 int   s without an attempt after which failures begin anew: nothing was to be sent, which is no failure
-- Returns: rows of (endpoint_id, reason), a row an endpoint that was disabled.
--
-- A delivery that has gone on meanwhile (resent by hand, taken over from a process that was thought dead) is left
-- as it is; the attempt is logged all the same. Of attempts that ended together a success counts for more. What was sent to
-- an address that the endpoint has left says nothing of the endpoint, and a message that was not wanted there is due now.
with given as materialized (
  select * from json_to_recordset($1::text::json) as given (
    delivery bigint, run integer, verdict text, is_ours boolean, number integer, url text, wait_ms double precision,
    status_code integer, error text, duration_ms integer, body text
  )
),
tried as materialized (
  select
    given.*, webhook_deliveries.lane, message, reason,
    webhook_endpoints.id is not null and webhook_endpoints.url is distinct from given.url as has_moved
  from given
  join webhook_deliveries on webhook_deliveries.id = delivery
  left join webhook_endpoints on webhook_endpoints.id = webhook_deliveries.lane
),
updated as (
  update webhook_deliveries
  set
    status = case
      when verdict = 'delivered' then 'delivered'
      when verdict in ('retry', 'held') or has_moved and verdict in ('gone', 'receiver') then 'pending'
      else 'exhausted'
    end,
    attempts = case verdict when 'held' then attempts else tried.number end,
    run = webhook_deliveries.run + 1, is_queued = false,
    due_at = now() + coalesce(wait_ms, 0) * interval '1 ms'
  from tried
  where id = delivery and webhook_deliveries.run = tried.run and status = 'pending'
),
logged as (
  insert into webhook_attempts (message, lane, number, reason, status_code, error, duration_ms, body, has_succeeded)
  select message, lane, number, reason, status_code, error, duration_ms, body, verdict = 'delivered' from tried where verdict <> 'held'
),
tally as materialized (
  select
    lane, max(url) as url, count(*)::int as attempts, count(*) filter (where not is_well)::int as failures,
    bool_or(is_well) as has_success, max(verdict) filter (where verdict in ('gone', 'receiver')) as ending
  from (select *, verdict in ('delivered', 'aborted') as is_well from tried) answered
  where verdict <> 'held' and not is_ours and not has_moved group by lane
),
counted as materialized (
  select
    webhook_lanes.lane, url, ending, has_success,
    open_until is not null as was_open,
    case when has_success then null when is_silent then now() else coalesce(failing_since, now()) end as failing_since,
    case
      when has_success then 0
      when is_silent then tally.failures
      else webhook_lanes.failures + tally.failures
    end as failures,
    in_window.starts_at,
    tally.attempts + case when in_window.is_same then window_attempts else 0 end as attempts_in_window,
    tally.failures + case when in_window.is_same then window_failures else 0 end as failures_in_window
  from tally
  join webhook_lanes on webhook_lanes.lane = tally.lane
  cross join lateral (
    select
      is_silent, is_same and not (open_until is not null and has_success) as is_same,
      case when is_same then window_started_at else now() end as starts_at
    from (
      select
        window_started_at > now() - $4::int * interval '1 s',
        window_started_at < now() - ($4::int + $8::int) * interval '1 s'
    ) window_now (is_same, is_silent)
  ) in_window
  order by webhook_lanes.lane for no key update of webhook_lanes
),
health as (
  update webhook_lanes
  set
    failing_since = counted.failing_since, failures = counted.failures, window_started_at = starts_at,
    window_attempts = attempts_in_window, window_failures = failures_in_window,
    open_until = case
      when was_open and has_success then null
      when was_open or attempts_in_window >= $5::int and failures_in_window >= $6::real * attempts_in_window
        then now() + $7::int * interval '1 s'
    end
  from counted
  where webhook_lanes.lane = counted.lane
),
disabled as (
  update webhook_endpoints
  set status = 'disabled', disabled_at = now(), disabled_reason = coalesce(ending, 'failing'),
    updated_at = now()
  from counted
  where id = lane and status = 'enabled' and webhook_endpoints.url = counted.url
    and (ending is not null or failing_since <= now() - $2::int * interval '1 s' and failures >= $3::int)
  returning id, webhook_endpoints.url, disabled_reason, disabled_at
),
-- The others are told its origin only: the rest of an address may hold what lets one in.
told as (
  insert into outbox (type, subject, data)
  select 'endpoint.disabled', id, jsonb_build_object(
    'endpoint_id', id, 'origin', substring(url from '^[^/]+//[^/?#\\]+'), 'reason', disabled_reason,
    'disabled_at', utc(disabled_at))
  from disabled
)
select id as endpoint_id, disabled_reason as reason from disabled
