-- Settles the tickets of an event that is no longer there, or of a job that will not be tried again.
--
-- Params: $1 uuid the event, $2 text[] tickets, $3 text[] user ids, $4 text the reason: event_not_found or failed
-- Returns: a row for each notification. What was decided otherwise before stays as it is.
with request as materialized (
  select ticket, user_id, n from unnest($2::text[], $3::text[]) with ordinality as line (ticket, user_id, n)
),
refused as (
  insert into reservation_refusals (ticket, event_id, user_id, reason)
  select ticket, $1::uuid, user_id, $4::text from request
  where not exists (select from reservations where reservations.ticket = request.ticket)
  on conflict (ticket) do nothing
),
message as (
  select json_build_object('event', $1::uuid, 'tickets', json_agg(ticket order by n))::text as payload
  from request group by n / 100
)
select pg_notify('claimline_reserved', payload) from message
