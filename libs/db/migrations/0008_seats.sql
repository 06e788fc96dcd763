-- Events with seats, and what holds seats.
--
-- A seat is free when it is available, or held by a reservation whose time is up: a lapsed hold is free at
-- once, by the database's clock, whether or not it has been swept. Nothing counts seats; what is left is what
-- the rows say, so it can neither drift nor fall below zero, and a seat's row belongs to one reservation.
--
-- Whoever locks more than one row locks the event first, then reservations, then seats in the order of their
-- ids. All statements that change seats keep to that, so they cannot wait for each other in a circle.
--
--   seats.version    rises with every change of the seat: who holds it proves that it is the seat they saw.
--   events.revision  rises with every statement that decides reservations and with every change of the event:
--                    a decision that was prepared on another revision is prepared again.

create table events (
  id uuid primary key default gen_random_uuid(),
  name text not null check (char_length(name) between 1 and 255),
  venue text,
  starts_at timestamptz not null,
  on_sale_at timestamptz,
  reservation_ttl_seconds integer not null default 600 check (reservation_ttl_seconds >= 1),
  is_canceled boolean not null default false,
  currency text check (currency ~ '^[A-Z]{3}$'),
  metadata jsonb not null default '{}',
  revision bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
) with (fillfactor = 50);

comment on column events.currency is 'Of all its seats; the first ones set it.';
create index events_starts_at on events (starts_at, id);

create table reservations (
  id uuid primary key default gen_random_uuid(),
  sequence bigint generated always as identity unique,
  event_id uuid not null references events (id) on delete cascade,
  user_id text not null check (char_length(user_id) between 1 and 255),
  ticket text unique,
  seats jsonb not null,
  seat_count integer not null check (seat_count >= 1),
  amount bigint not null check (amount >= 0),
  currency text not null,
  status text not null default 'active' check (status in ('active', 'booked', 'expired', 'canceled')),
  expires_at timestamptz not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

comment on column reservations.seats is 'As they were when they were held, with their prices; which rows it holds is said by seats.reservation_id.';
create index reservations_lapsing on reservations (expires_at) where status = 'active';
create index reservations_event on reservations (event_id, status);
create index reservations_user on reservations (user_id, sequence);

create table seats (
  id bigint generated always as identity primary key,
  event_id uuid not null references events (id) on delete cascade,
  number text not null check (char_length(number) between 1 and 64),
  section text not null default '',
  row_name text not null default '',
  place integer not null default 0,
  type text not null default 'standard',
  price bigint not null check (price >= 0),
  currency text not null,
  status text not null default 'available' check (status in ('available', 'held', 'booked', 'blocked')),
  version integer not null default 1,
  reservation_id uuid,
  held_until timestamptz,
  unique (event_id, number),
  check ((status in ('held', 'booked')) = (reservation_id is not null)),
  check ((status = 'held') = (held_until is not null))
) with (fillfactor = 70);

comment on column seats.place is 'Where it is in its row, in the order in which the row was filled: neighbors are one apart.';
create index seats_left on seats (event_id, held_until) where status in ('available', 'held');
create index seats_reservation on seats (reservation_id) where reservation_id is not null;

create table reservation_refusals (
  ticket text primary key,
  event_id uuid not null,
  user_id text not null,
  reason text not null,
  seats jsonb,
  decided_at timestamptz not null default now()
);

comment on table reservation_refusals is 'Tickets that ended without a reservation; kept for a while so that they can be read.';
create index reservation_refusals_decided_at on reservation_refusals (decided_at);

-- Every process that remembers an event's seats is told what changed, in parts of at most 8,000 bytes: {event,
-- seats: [[number, status, version, held until in ms]]}, or {event} where it has to read them anew.
create function notify_seats_changed(event uuid, changed json) returns void language sql as $$
  select pg_notify('claimline_seats', json_strip_nulls(json_build_object('event', event, 'seats', changed))::text);
$$;

create function seats_after_update() returns trigger language plpgsql as $$
begin
  perform notify_seats_changed(event_id, parts.changed)
  from (
    select event_id, part, json_agg(change order by id) as changed
    from (
      select event_id, id, change,
        (sum(octet_length(change::text)) over (partition by event_id order by id))::int / 6000 as part
      from (
        select event_id, id,
          json_build_array(number, status, version, floor(extract(epoch from held_until) * 1000)) as change
        from now_so
      ) each_seat
    ) sized
    group by event_id, part
  ) parts;
  return null;
end $$;

create trigger seats_changed after update on seats
  referencing new table as now_so for each statement execute function seats_after_update();

create function seats_after_insert_or_delete() returns trigger language plpgsql as $$
begin
  perform notify_seats_changed(event_id, null) from (select distinct event_id from touched) events;
  return null;
end $$;

create trigger seats_added after insert on seats
  referencing new table as touched for each statement execute function seats_after_insert_or_delete();

create trigger seats_removed after delete on seats
  referencing old table as touched for each statement execute function seats_after_insert_or_delete();

-- What is known of an event outside Postgres is out of date; an empty payload stands for all of them. A
-- statement that decides reservations raises only the revision, which nobody else remembers.
create function events_after_change() returns trigger language plpgsql as $$
begin
  perform pg_notify('claimline_events', coalesce(old.id, new.id)::text);
  return null;
end $$;

create trigger events_changed after update on events
  for each row when (
    (old.name, old.starts_at, old.on_sale_at, old.is_canceled, old.reservation_ttl_seconds)
    is distinct from (new.name, new.starts_at, new.on_sale_at, new.is_canceled, new.reservation_ttl_seconds)
  ) execute function events_after_change();

create trigger events_inserted after insert on events for each row execute function events_after_change();
create trigger events_deleted after delete on events for each row execute function events_after_change();

create function events_and_seats_after_truncate() returns trigger language plpgsql as $$
begin
  perform pg_notify('claimline_events', '');
  return null;
end $$;

create trigger events_truncated after truncate on events
  for each statement execute function events_and_seats_after_truncate();
create trigger seats_truncated after truncate on seats
  for each statement execute function events_and_seats_after_truncate();

-- Makes a live hold last at least so long from now, such as while somebody pays.
-- Answers ok, lapsed, booked, canceled or unknown; only ok changes anything.
create function extend_hold(reservation uuid, seconds integer) returns text language plpgsql as $$
declare
  held reservations;
begin
  select * into held from reservations where id = reservation for update;
  if not found then return 'unknown'; end if;
  if held.status = 'expired' or (held.status = 'active' and held.expires_at <= now()) then return 'lapsed'; end if;
  if held.status <> 'active' then return held.status; end if;
  if held.expires_at >= now() + seconds * interval '1 s' then return 'ok'; end if;
  update reservations set expires_at = now() + seconds * interval '1 s', updated_at = now() where id = reservation;
  perform from seats where reservation_id = reservation order by id for update;
  update seats set held_until = now() + seconds * interval '1 s', version = version + 1
    where reservation_id = reservation and status = 'held';
  return 'ok';
end $$;

-- Turns a reservation into booked seats, all or none. Its time may have run out, as long as every seat is still its own.
-- Answers ok, same (booked already), lapsed, canceled or unknown; only ok changes anything.
create function book_seats(reservation uuid) returns text language plpgsql as $$
declare
  held reservations;
  whole bigint;
begin
  select * into held from reservations where id = reservation for update;
  if not found then return 'unknown'; end if;
  if held.status = 'booked' then return 'same'; end if;
  if held.status = 'canceled' or exists (select from events where id = held.event_id and is_canceled) then
    return 'canceled';
  end if;
  perform from seats where reservation_id = reservation and status = 'held' order by id for update;
  get diagnostics whole = row_count;
  if held.status <> 'active' or whole <> held.seat_count then return 'lapsed'; end if;
  update seats set status = 'booked', held_until = null, version = version + 1 where reservation_id = reservation;
  update reservations set status = 'booked', updated_at = now() where id = reservation;
  return 'ok';
end $$;

-- Takes booked seats back into the sale.
-- Answers ok, same (canceled already), active, lapsed or unknown; only ok changes anything.
create function give_back_seats(reservation uuid) returns text language plpgsql as $$
declare
  booked reservations;
begin
  select * into booked from reservations where id = reservation for update;
  if not found then return 'unknown'; end if;
  if booked.status = 'canceled' then return 'same'; end if;
  if booked.status <> 'booked' then
    return case when booked.status = 'active' and booked.expires_at > now() then 'active' else 'lapsed' end;
  end if;
  perform from seats where reservation_id = reservation order by id for update;
  update seats set status = 'available', reservation_id = null, version = version + 1
    where reservation_id = reservation;
  update reservations set status = 'canceled', updated_at = now() where id = reservation;
  return 'ok';
end $$;

-- Lets a hold go, also one that has lapsed.
-- Answers ok, same (let go or lapsed before), booked or unknown; only ok changes anything.
create function release_hold(reservation uuid) returns text language plpgsql as $$
declare
  held reservations;
begin
  select * into held from reservations where id = reservation for update;
  if not found then return 'unknown'; end if;
  if held.status = 'booked' then return 'booked'; end if;
  if held.status <> 'active' then return 'same'; end if;
  perform from seats where reservation_id = reservation order by id for update;
  update seats set status = 'available', reservation_id = null, held_until = null, version = version + 1
    where reservation_id = reservation;
  update reservations set status = 'canceled', updated_at = now() where id = reservation;
  return 'ok';
end $$;
