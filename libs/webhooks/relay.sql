-- Makes messages of what is in the outbox, in order, and a delivery of each for every receiver that wants it.
--
-- Params: $1 int  events at which a bite is full
--         $2 int  for so many enabled endpoints; with more of them a bite is so many times smaller, as an event is a
--                 delivery to each
-- Returns: one row (is_ours, rows, messages, lanes). is_ours false: another relay is at it and nothing was done.
--          rows: what was taken from the outbox, 0 when it was empty. lanes: those that have new deliveries.
--
-- What callers can rely on:
-- * The outbox rows go with the commit that brings their messages: dying here loses and doubles nothing, and
--   the ids would be the same again, since they are made of the row.
-- * One relay runs at a time. So event_sequence has no gaps, positions become visible in their order, and whoever
--   reads the feed by position misses nothing. Whoever took its snapshot before the relay ahead of it had
--   committed finds those rows deleted and gets on with what is left.
-- * Receivers are the endpoints of now: enabled, with filters that let it pass; and the claim's own address.
-- * With no endpoint left, only what goes to such an address is kept.
--
-- Plan: claims and assignments are read by correlated subqueries, which cannot become a join over the whole table.

with turn as materialized (
  select pg_try_advisory_xact_lock(hashtextextended('claimline webhook relay', 0)) as is_ours
),
bite as materialized (
  select greatest(1, $1::bigint * $2::int / greatest($2::int, count(*))) as events
  from webhook_endpoints where status = 'enabled'
),
batch as materialized (
  delete from outbox
  where id = any (array(
    select id
    from (
      select id, sum(events) over (order by id) - events as before
      from (select id, events from outbox order by id limit (select bite.events from bite)) next
    ) counted
    where before < (select bite.events from bite) and (select is_ours from turn)
  ))
  returning *
),
endpoint as materialized (
  select id, status = 'enabled' as is_enabled, event_types, coupons from webhook_endpoints
),
-- Taken apart once a row: to look each ticket up in it would read the whole of it 500 times.
callback as materialized (
  select batch.id as outbox_id, ticket, url from batch cross join lateral jsonb_each_text(callbacks) listed (ticket, url)
),
event as (
  select
    batch.id as outbox_id, n, 'msg_' || replace(key::text, '-', '') || '_' || n as id, created_at, subject, coupon_name,
    told.type, told.data, told.ticket, callback.url as callback_url
  from batch
  cross join lateral (
    select 1::bigint as n, batch.type, batch.data, null as ticket where batch.type is not null
    union all
    select
      n,
      case outcome ->> 2 when 'r' then 'claim.refused' else 'claim.granted' end,
      jsonb_strip_nulls(jsonb_build_object(
        'coupon_name', coupon_name,
        'user_id', outcome ->> 1,
        'ticket', outcome ->> 0,
        'claim_id', case when outcome ->> 2 <> 'r' then 'clm_' || (outcome ->> 4) end,
        'sequence', case when outcome ->> 2 <> 'r' then (outcome ->> 3)::bigint end,
        'code', case when outcome ->> 2 = 'c'
          then (select code from assignments where claim_id = (outcome ->> 4)::bigint) end,
        'reason', case when outcome ->> 2 = 'r' then outcome ->> 3 end,
        'held_ticket', case when outcome ->> 2 = 'r' then outcome ->> 4 end
      )) || coalesce(
        case when outcome ->> 2 <> 'r' then (
          select jsonb_build_object('metadata', metadata) from claims
          where id = (outcome ->> 4)::bigint and metadata is not null
        ) end,
        '{}'
      ),
      outcome ->> 0
    from json_array_elements(batch.outcomes::json) with ordinality as listed (outcome, n)
    union all
    select events + 1, 'coupon.sold_out', jsonb_build_object('coupon_name', coupon_name), null where is_sold_out
  ) told
  left join callback on callback.outbox_id = batch.id and callback.ticket = told.ticket
),
numbered as materialized (
  select
    *, row_number() over (partition by subject order by outbox_id, n) as nth,
    count(*) over (partition by subject) as total
  from event
  where exists (select from endpoint) or callback_url is not null
),
sequences as materialized (
  insert into webhook_subjects (subject, last_sequence)
  select subject, count(*) from numbered group by subject
  on conflict (subject) do update set last_sequence = webhook_subjects.last_sequence + excluded.last_sequence
  returning subject, last_sequence
),
stored as materialized (
  insert into webhook_messages
    (id, created_at, event_sequence, type, subject, coupon_name, ticket, callback_url, payload)
  select
    id, created_at, sequence, type, subject, coupon_name, ticket, callback_url,
    format(
      '{"type":%s,"timestamp":%s,"data":%s}', to_json(type), to_json(utc(created_at)),
      data || jsonb_build_object('event_sequence', sequence)
    )
  from (
    select numbered.*, last_sequence - total + nth as sequence
    from numbered join sequences using (subject)
  ) sequenced
  order by outbox_id, n
  returning position, type, coupon_name, callback_url
),
receiver as materialized (
  select position, endpoint.id as lane, null as callback_origin
  from stored join endpoint on is_enabled
    and (event_types is null or type = any (event_types)) and (coupons is null or coupon_name = any (coupons))
  union all
  select position, 'cb_' || left(encode(sha256(convert_to(origin, 'UTF8')), 'hex'), 24), origin
  from (
    select position, substring(callback_url from '^[^/]+//[^/?#]+') as origin
    from stored where callback_url is not null
  ) called_back
),
lanes as (
  insert into webhook_lanes (lane, callback_origin)
  select distinct lane, callback_origin from receiver order by lane
  on conflict (lane) do nothing
),
deliveries as (
  insert into webhook_deliveries (message, lane) select position, lane from receiver order by position
)
select
  (select is_ours from turn) as is_ours,
  (select count(*) from batch)::int as rows,
  (select count(*) from stored)::int as messages,
  array(select distinct lane from receiver) as lanes
