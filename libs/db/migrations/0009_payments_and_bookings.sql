-- Payments, bookings and refunds; and the mock provider's own books.
--
-- A payment is one try to charge a reservation, and its row is the saga's memory:
--
--   preparing ──► charging ──► booked            a booking, confirmed in the same statement
--       │            ├──► pending ──► booked
--       │            │       ├──► failed         nothing was taken, or it was canceled at the provider
--       │            │       └──► undone         taken, and the seats were gone: a refund of all of it
--       └────────────┴──► failed ──► undone      a charge that succeeds although it was given up
--
-- Whoever works on a payment pushes due_at into the future; what is due nobody is working on, and the sweep
-- takes it up. A final state has no due_at.

create table payments (
  id text primary key,
  reservation_id uuid not null,
  provider text not null,
  charge_id text,
  amount bigint not null check (amount >= 0),
  currency text not null check (currency ~ '^[A-Z]{3}$'),
  status text not null default 'preparing'
    check (status in ('preparing', 'charging', 'pending', 'booked', 'undone', 'failed')),
  reason text,
  reference text not null unique,
  runs integer not null default 1,
  due_at timestamptz,
  pending_until timestamptz,
  metadata jsonb,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (provider, charge_id),
  check ((due_at is null) = (status in ('booked', 'undone', 'failed'))),
  check (status <> 'pending' or pending_until is not null)
) with (fillfactor = 70);

comment on column payments.charge_id is 'The provider''s id of the charge, stored before it can take money.';
comment on column payments.reference is 'What the booking will be called by.';
comment on column payments.runs is 'How often somebody has taken it up.';
-- One charge at a time, and none after the one that was booked.
create unique index payments_one_of_a_reservation on payments (reservation_id)
  where status in ('preparing', 'charging', 'pending', 'booked');
create index payments_of_a_reservation on payments (reservation_id);
create index payments_due on payments (due_at) where due_at is not null;

create table bookings (
  reference text primary key,
  payment_id text not null unique references payments,
  reservation_id uuid not null,
  event_id uuid not null,
  sequence bigint generated always as identity,
  user_id text not null,
  seats jsonb not null,
  amount bigint not null check (amount >= 0),
  currency text not null,
  status text not null check (status in ('pending', 'confirmed', 'canceled', 'failed')),
  refunded_amount bigint not null default 0 check (refunded_amount >= 0),
  refunding_amount bigint not null default 0 check (refunding_amount >= 0),
  metadata jsonb,
  created_at timestamptz not null default now(),
  confirmed_at timestamptz,
  canceled_at timestamptz,
  check (refunded_amount + refunding_amount <= amount),
  check (status in ('pending', 'failed') or confirmed_at is not null),
  check ((status = 'canceled') = (canceled_at is not null))
);

comment on column bookings.refunding_amount is 'Of it, what the provider was asked to give back and has not answered for.';
comment on column bookings.seats is 'As they were sold, in the order in which they were held.';
create unique index bookings_one_of_a_reservation on bookings (reservation_id) where status in ('pending', 'confirmed');
create index bookings_of_a_user on bookings (user_id, sequence desc);
create index bookings_of_an_event on bookings (event_id);

create table refunds (
  id text primary key,
  payment_id text not null references payments,
  amount bigint not null check (amount >= 0),
  why text not null check (why in ('undo', 'request')),
  status text not null default 'pending' check (status in ('pending', 'succeeded', 'failed')),
  provider_refund_id text,
  reason text,
  runs integer not null default 1,
  due_at timestamptz,
  created_at timestamptz not null default now(),
  settled_at timestamptz,
  check ((due_at is not null) = (status = 'pending'))
) with (fillfactor = 70);

comment on column refunds.why is 'undo: the charge came to no booking; request: somebody asked for it.';
create index refunds_of_a_payment on refunds (payment_id);
create index refunds_due on refunds (due_at) where due_at is not null;
create unique index refunds_one_undo on refunds (payment_id) where why = 'undo';

create table payment_notices (
  provider text not null,
  notice_id text not null,
  type text not null,
  payment_id text,
  received_at timestamptz not null default now(),
  applied_at timestamptz,
  primary key (provider, notice_id)
);

comment on table payment_notices is 'Webhooks of providers. One that was applied does nothing when it comes again.';
create index payment_notices_received on payment_notices (received_at);

-- The mock provider: what its charges came to, and the webhooks that it has yet to send. Nothing of ours
-- reads or writes these but the mock itself, so that what it knows survives every death of a process.

create table mock_charges (
  id text primary key,
  amount bigint not null,
  currency text not null,
  refunded_amount bigint not null default 0 check (refunded_amount between 0 and amount),
  token text,
  status text not null default 'open' check (status in ('open', 'pending', 'succeeded', 'failed')),
  reason text,
  settles_at timestamptz,
  settles_as text check (settles_as in ('succeeded', 'failed')),
  notify_url text,
  created_at timestamptz not null default now()
);

create table mock_refunds (
  id text primary key,
  charge_id text not null references mock_charges,
  amount bigint not null,
  status text not null check (status in ('succeeded', 'failed')),
  created_at timestamptz not null default now()
);

create index mock_refunds_of_a_charge on mock_refunds (charge_id);

create table mock_webhooks (
  id text primary key default 'evt_' || gen_random_uuid(),
  url text not null,
  type text not null,
  charge_id text not null,
  tries integer not null default 0,
  due_at timestamptz not null default now(),
  created_at timestamptz not null default now()
);

create index mock_webhooks_due on mock_webhooks (due_at);

-- A booking as merchants are told of it.
create function booking_told(booking bookings) returns jsonb stable language sql as $$
  select jsonb_build_object(
    'reference', booking.reference,
    'reservation_id', 'rsv_' || replace(booking.reservation_id::text, '-', ''),
    'event_id', 'evt_' || replace(booking.event_id::text, '-', ''),
    'user_id', booking.user_id, 'seats', booking.seats, 'amount', booking.amount, 'currency', booking.currency,
    'status', booking.status, 'refunded_amount', booking.refunded_amount
  )
$$;
