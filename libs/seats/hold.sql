-- Settles reservations of one event as they were prepared, all of them or none. One statement, one transaction.
--
-- Params: $1 uuid      the event
--         $2 bigint    the event's revision that it was prepared on
--         $3 text[]    tickets, in line order, each once; with $4 user ids, $5 reasons (null: to be held),
--         $6 text[]    the seats that a refusal is about as JSON, or null, and $7 uuid[] the id of each reservation
--         $8 int[]     for every seat to be held, which of the tickets it is for, from 1; with $9 bigint[] seats' ids
--                      and $10 int[] the versions that were seen
-- Returns: a row for each notification (channel claimline_reserved: {event, tickets}).
--          NO row: something has changed since it was prepared. Nothing was done; prepare it again.
--
-- What callers can rely on:
-- * A seat is held only if it is free, by the database's clock, and of the version that was seen; and only
--   together with all others of its reservation. One that is not makes the whole statement do nothing.
-- * The event's lock and its revision decide between two settles of one event: whoever was prepared on an older
--   revision gives up rather than judge by what it can no longer see. So a ticket is decided once.
-- * The event is locked first, then the seats in the order of their ids, as everywhere (see the migration).
--
-- Plan: one index lookup for each seat; the connection that runs this has sequential scans switched off.
with event as materialized (
  select *, is_canceled or starts_at <= now() or coalesce(on_sale_at > now(), false) as is_closed
  from events where id = $1::uuid for update
),
request as materialized (
  select ticket, user_id, reason, refused_seats, id, n
  from unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::uuid[]) with ordinality
    as line (ticket, user_id, reason, refused_seats, id, n)
),
wanted as materialized (
  select n, seat_id, version, place
  from unnest($8::int[], $9::bigint[], $10::int[]) with ordinality as pair (n, seat_id, version, place)
),
locked as materialized (
  select * from seats
  where id = any ($9::bigint[]) and event_id = $1::uuid and (select revision from event) = $2::bigint
  order by id for update
),
free as materialized (
  select wanted.n, wanted.place as nth, locked.*
  from locked join wanted on wanted.seat_id = locked.id and wanted.version = locked.version
  where locked.status = 'available' or (locked.status = 'held' and locked.held_until <= now())
),
sound as materialized (
  select id, now() + reservation_ttl_seconds * interval '1 s' as expires_at
  from event
  where revision = $2::bigint
    and (select count(distinct id) from free) = cardinality($9::bigint[])
    and (cardinality($9::bigint[]) = 0 or not is_closed)
),
held as (
  insert into reservations (id, event_id, user_id, ticket, seats, seat_count, amount, currency, expires_at)
  select request.id, $1::uuid, user_id, ticket, mine.seats, mine.seat_count, mine.amount, mine.currency, expires_at
  from sound
  cross join (
    select
      n,
      jsonb_agg(
        jsonb_build_object('number', number, 'section', section, 'row', row_name, 'type', type,
          'price', price, 'currency', currency)
        order by nth
      ) as seats,
      count(*) as seat_count, sum(price) as amount, min(currency) as currency
    from free group by n
  ) mine
  join request using (n)
  returning *
),
taken as (
  update seats
  set status = 'held', reservation_id = request.id, held_until = expires_at, version = seats.version + 1
  from sound, free, request
  where seats.id = free.id and request.n = free.n
),
refused as (
  insert into reservation_refusals (ticket, event_id, user_id, reason, seats)
  select ticket, $1::uuid, user_id, reason, refused_seats::jsonb
  from sound join request on reason is not null
  on conflict (ticket) do update
    set reason = excluded.reason, seats = excluded.seats, decided_at = excluded.decided_at
),
-- A job that failed and was tried again by an operator.
mended as (
  delete from reservation_refusals
  where reason = 'failed' and exists (select from sound)
    and ticket = any (array(select ticket from request where request.reason is null))
),
raised as (
  update events set revision = revision + 1 where id = (select id from sound)
),
told as (
  insert into outbox (type, subject, data)
  select 'reservation.held', event_id::text, jsonb_build_object(
    'reservation_id', 'rsv_' || replace(id::text, '-', ''), 'event_id', 'evt_' || replace(event_id::text, '-', ''),
    'user_id', user_id, 'seats', seats, 'amount', amount, 'currency', currency, 'expires_at', utc(expires_at))
  from held where webhooks_wanted() order by sequence
),
message as (
  select json_build_object('event', $1::uuid, 'tickets', json_agg(ticket order by n))::text as payload
  from sound cross join request
  -- A notification may have 7,999 bytes; a ticket takes 59.
  group by n / 100
)
select pg_notify('claimline_reserved', payload) from message
