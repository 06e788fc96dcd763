-- Holds that lapse while somebody waits for their locks, and a sweep that looks only at what is due.

-- The sweep asks which of them still hold seats.
create index events_canceled on events (id) where is_canceled;

-- Makes a live hold last at least so long from now, such as while somebody pays.
-- Answers ok, lapsed, booked, canceled or unknown; only ok changes anything, and says that every seat is still its own.
-- Its time is judged under the locks, by the time of then: a statement that began before the end may have waited for
-- one that began after it and took the seats.
create or replace function extend_hold(reservation uuid, seconds integer) returns text language plpgsql as $$
declare
  held reservations;
  whole bigint;
  lasts_until timestamptz;
begin
  select * into held from reservations where id = reservation for update;
  if not found then return 'unknown'; end if;
  if held.status = 'expired' then return 'lapsed'; end if;
  if held.status <> 'active' then return held.status; end if;
  perform from seats where reservation_id = reservation and status = 'held' order by id for update;
  get diagnostics whole = row_count;
  if whole <> held.seat_count or held.expires_at <= clock_timestamp() then return 'lapsed'; end if;
  lasts_until := clock_timestamp() + seconds * interval '1 s';
  if held.expires_at >= lasts_until then return 'ok'; end if;
  update reservations set expires_at = lasts_until, updated_at = now() where id = reservation;
  update seats set held_until = lasts_until, version = version + 1 where reservation_id = reservation;
  return 'ok';
end $$;
