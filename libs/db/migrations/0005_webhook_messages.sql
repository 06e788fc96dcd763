-- What merchants are told: from the outbox, which a statement writes with what it decides, to the log of every
-- try to deliver.
--
--   outbox ── relay.sql ──► webhook_messages (one an event) + webhook_deliveries (one a message and receiver)
--                                        └── queue-due.sql ──► a job ── record.sql ──► webhook_attempts
--
-- To tell of something, a statement inserts into outbox what it tells, in the same statement that does it (a CTE
-- that writes runs also when nobody reads it, a call of a function does not):
--
--   told as (
--     insert into outbox (type, subject, coupon_name, data)
--     select 'reservation.held', event_id::text, null, jsonb_build_object('reservation_id', id, 'expires_at', utc(expires_at))
--     from held where webhooks_wanted()
--   )
--
-- subject: what the events are numbered in, such as a coupon's id: the messages of one subject have
--          event_sequence 1, 2, 3 ... in the order of the outbox. Whoever holds the subject's row lock while it
--          inserts, as a settle does, has them numbered in the order of what was decided.
-- coupon_name: what the filter of an endpoint is compared with; null where no coupon is concerned.
-- data: what the receiver finds under "data"; the relay adds event_sequence.
--
-- From the first endpoint on every event is kept, enabled or not, so that a disabled endpoint can catch up and
-- that whoever would rather ask than be told can read the feed. Without any endpoint nothing is written.

create table outbox (
  id bigint generated always as identity primary key,
  key uuid not null default gen_random_uuid(),
  created_at timestamptz not null default now(),
  events integer not null default 1 check (events >= 1),
  is_sold_out boolean not null default false,
  subject text not null,
  coupon_name text,
  type text check (
    type in (
      'code.redeemed', 'reservation.held', 'reservation.expired', 'booking.confirmed', 'booking.canceled',
      'booking.refunded', 'endpoint.disabled'
    )
  ),
  data jsonb check (jsonb_typeof(data) = 'object'),
  outcomes text,
  callbacks jsonb,
  check ((type is null) = (data is null) and (type is null) = (outcomes is not null))
);

comment on table outbox is 'What was committed and is not yet a message; the relay empties it.';
comment on column outbox.key is 'The messages'' ids are made of it and of the place in the row: who relays it twice makes the same ids.';
comment on column outbox.events is 'How many events the row holds, for the relay''s bites.';
comment on column outbox.outcomes is 'Of a settle: its outcomes, as in its notification. In place of type and data.';
comment on column outbox.callbacks is 'Of a settle: the callback addresses by ticket, of those claims that named one.';
comment on column outbox.is_sold_out is 'Of a settle: it took the last unit.';

-- Whether events are to be kept.
create function webhooks_wanted() returns boolean stable language sql as $$
  select exists (select from webhook_endpoints)
$$;

-- A time as messages have it.
create function utc(instant timestamptz) returns text stable language sql as $$
  select to_char(instant at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
$$;

-- By row, since a trigger by statement would fire for statements that write nothing. Postgres sends it once.
create function outbox_after_insert() returns trigger language plpgsql as $$
begin
  perform pg_notify('claimline_outbox', '');
  return null;
end $$;

create trigger outbox_filled after insert on outbox for each row execute function outbox_after_insert();

create table webhook_subjects (
  subject text primary key,
  last_sequence bigint not null
) with (fillfactor = 50);

comment on table webhook_subjects is 'The event_sequence of the newest message of each subject. Kept for ever, or it would begin anew.';

-- Its order is that of the feed: one relay runs at a time, so that no message appears before one that was read.
create table webhook_messages (
  position bigint generated always as identity primary key,
  created_at timestamptz not null,
  event_sequence bigint not null,
  id text collate "C" not null unique,
  type text not null,
  subject text not null,
  coupon_name text,
  ticket text,
  callback_url text,
  payload text not null
);

comment on column webhook_messages.created_at is 'When it was decided.';
comment on column webhook_messages.ticket is 'Of which claim it tells the outcome.';
comment on column webhook_messages.callback_url is 'Where that claim wanted to be told.';
comment on column webhook_messages.payload is 'The body of the request, the same text at every attempt.';
create index webhook_messages_created_at on webhook_messages (created_at, position);

create table webhook_lanes (
  lane text collate "C" primary key,
  callback_origin text,
  open_until timestamptz,
  failing_since timestamptz,
  failures integer not null default 0,
  window_started_at timestamptz not null default '-infinity',
  window_attempts integer not null default 0,
  window_failures integer not null default 0
) with (fillfactor = 50);

comment on table webhook_lanes is
  'A lane of deliveries: an endpoint''s, by its id, or that of the callbacks to one origin. How well its receiver does.';
comment on column webhook_lanes.open_until is 'The breaker is open until then; afterwards one attempt at a time, until one succeeds.';
comment on column webhook_lanes.failing_since is 'The first failure since the last success.';
comment on column webhook_lanes.failures is 'Failures since the last success.';

create table webhook_deliveries (
  id bigint generated always as identity primary key,
  message bigint not null,
  due_at timestamptz not null default now(),
  attempts integer not null default 0,
  run integer not null default 1,
  is_queued boolean not null default false,
  status text not null default 'pending' check (status in ('pending', 'delivered', 'exhausted')),
  reason text not null default 'event' check (reason in ('event', 'resend', 'recover')),
  lane text collate "C" not null,
  unique (message, lane)
) with (fillfactor = 70);

comment on table webhook_deliveries is 'A message to one receiver.';
comment on column webhook_deliveries.message is 'webhook_messages.position.';
comment on column webhook_deliveries.attempts is 'Tries so far on the schedule, which a resend begins anew.';
comment on column webhook_deliveries.run is 'Rises with whatever happens to it: a job of another run does nothing.';
comment on column webhook_deliveries.is_queued is 'A job was added for this run. due_at is then when it counts as lost, and is added again.';
create index webhook_deliveries_due on webhook_deliveries (lane, due_at) where status = 'pending';
create index webhook_deliveries_queued on webhook_deliveries (lane) where is_queued;
create index webhook_deliveries_exhausted on webhook_deliveries (message) where status = 'exhausted';
create index webhook_deliveries_exhausted_by_lane on webhook_deliveries (lane) where status = 'exhausted';

create table webhook_attempts (
  id bigint generated always as identity primary key,
  message bigint not null,
  created_at timestamptz not null default now(),
  number integer not null,
  status_code integer,
  duration_ms integer not null,
  has_succeeded boolean not null,
  lane text collate "C" not null,
  reason text not null,
  error text,
  body text
);

comment on table webhook_attempts is 'Every try to deliver, and what came of it.';
comment on column webhook_attempts.number is 'The how-manieth of its schedule.';
create index webhook_attempts_by_lane on webhook_attempts (lane, id);
create index webhook_attempts_failed on webhook_attempts (lane, id) where not has_succeeded;
create index webhook_attempts_by_message on webhook_attempts (message);

-- Who enables an endpoint believes that it is well: it is not disabled again for what was before.
create function webhook_endpoints_after_enable() returns trigger language plpgsql as $$
begin
  update webhook_lanes
    set open_until = null, failing_since = null, failures = 0, window_attempts = 0, window_failures = 0
    where lane = new.id;
  return null;
end $$;

create trigger webhook_endpoints_enabled after update on webhook_endpoints
  for each row when (old.status = 'disabled' and new.status = 'enabled')
  execute function webhook_endpoints_after_enable();
