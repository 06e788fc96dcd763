-- Where merchants want to be told: their endpoints, and the secrets that sign what is sent there.
--
-- A row is all that a delivery needs of an endpoint. Secrets are sealed before they come here (webhooks/secret.ts)
-- and are one value of the row, so that a rotation is one update: whoever rotates at the same moment waits for
-- the row and goes on from there.

create table webhook_endpoints (
  id text collate "C" primary key check (id ~ '^ep_[0-9a-z]{16,40}$'),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  disabled_at timestamptz,
  url text not null,
  description text,
  event_types text[] check (cardinality(event_types) > 0),
  coupons text[] check (cardinality(coupons) > 0),
  status text not null default 'enabled' check (status in ('enabled', 'disabled')),
  disabled_reason text,
  secrets jsonb not null check (jsonb_typeof(secrets) = 'array' and jsonb_array_length(secrets) > 0),
  check ((status = 'disabled') = (disabled_at is not null)),
  check ((status = 'disabled') = (disabled_reason is not null))
);

comment on column webhook_endpoints.id is 'Begins with the time of its making, so that ids sort by age.';
comment on column webhook_endpoints.event_types is 'null for all.';
comment on column webhook_endpoints.coupons is
  'Names of the coupons whose events are wanted; null for all, and for events that are of no coupon.';
comment on column webhook_endpoints.secrets is
  'Newest first: {"sealed": base64, "until": time or null}. The one without an end is the current one.';

-- The sealed secrets that sign now, newest first.
create function webhook_secrets_in_force(secrets jsonb) returns text[] stable language sql as $$
  select coalesce(array_agg(secret ->> 'sealed' order by place), '{}')
  from jsonb_array_elements(secrets) with ordinality as listed(secret, place)
  where secret ->> 'until' is null or (secret ->> 'until')::timestamptz > now()
$$;

-- The secrets with a new one, sealed, in front. Those before it end after the grace, or earlier if they were to; what
-- has ended goes, and so do the oldest where there would be more than `most`.
create function webhook_secrets_rotated(secrets jsonb, sealed text, grace_seconds integer, most integer) returns jsonb
stable language sql as $$
  select jsonb_build_array(jsonb_build_object('sealed', sealed, 'until', null)) || coalesce(
    jsonb_agg(jsonb_build_object('sealed', secret ->> 'sealed', 'until', until) order by place)
      filter (where until > now()),
    '[]'
  )
  from (
    select secret, place, least((secret ->> 'until')::timestamptz, now() + grace_seconds * interval '1 second') as until
    from jsonb_array_elements(secrets) with ordinality as listed(secret, place)
    where secret ->> 'until' is null or (secret ->> 'until')::timestamptz > now()
    order by place
    limit most - 1
  ) before
$$;
