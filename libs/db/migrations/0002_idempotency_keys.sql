-- Answers to requests that carried an Idempotency-Key, so that a retry gets the first one again.
--
-- A row with a status is an answer and final. One without is a run of work that is not a
-- transaction here (a claim travels through the queue): it is taken over when its lease has lapsed,
-- and `reference` lets the next run find what the one before it did. What is one transaction
-- leaves no row before its answer, which commits together with the work.
--
-- A row is the caller's, the route's and the key's; the fingerprint tells whether it is the same request.

create table idempotency_keys (
  caller text not null,
  route text not null,
  key text not null check (char_length(key) between 1 and 255),
  fingerprint bytea not null,
  reference text,
  runs integer not null default 1,
  leased_until timestamptz not null default now(),
  status integer,
  headers jsonb,
  body text,
  created_at timestamptz not null default now(),
  primary key (caller, route, key),
  check ((status is null) = (body is null) and (status is null) = (headers is null))
);

comment on column idempotency_keys.caller is 'A digest of the credentials, or empty without any.';
comment on column idempotency_keys.reference is 'What the work is known by before it begins, such as a ticket.';
create index idempotency_keys_created_at on idempotency_keys (created_at);
