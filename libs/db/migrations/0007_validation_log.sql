-- The usage log of validations: what was asked, and what was answered.
--
-- Each API process writes its attempts in batches, one after the other, and numbers them. Its row in
-- validation_writers has the number of its last batch, and rises in the statement that writes the batch: a
-- batch whose outcome was lost with a connection can be sent again, and is there once.
--
-- The same statement adds the batch up by coupon, so that statistics read a few rows and not the log.
-- Nothing here refers to coupons by a foreign key: an answer is on record also when its coupon is gone.

create table validations (
  id bigint generated always as identity primary key,
  created_at timestamptz not null,
  order_value bigint not null,
  discount_amount bigint,
  final_amount bigint,
  coupon_id uuid,
  response_us integer not null,
  valid boolean generated always as (reason is null) stored,
  reason text,
  code text not null,
  coupon_name text,
  user_id text not null,
  order_id text,
  address text,
  agent text
);

comment on table validations is 'Every validation that was answered; money in minor units, reason null when valid.';
comment on column validations.id is 'The order in which attempts were written; of one process, in which they were answered.';
comment on column validations.created_at is 'When it was answered, by this database''s clock as the process knew it.';

-- By -id, the last first: with id the planner may walk the primary key instead, past millions of rows of others,
-- because a coupon or a person has many rows and it cannot know that all of them are old.
create index validations_by_coupon on validations (coupon_id, (-id)) where coupon_id is not null;
create index validations_by_user on validations (user_id, (-id));

create table validation_writers (
  id uuid primary key,
  batches bigint not null,
  written_at timestamptz not null default now()
) with (fillfactor = 50);

comment on column validation_writers.batches is 'The number of the last batch that this process wrote or put aside.';

-- Half powers of two: a bucket's upper end is 1.41 times its lower end.
create function validation_bucket(response_us integer) returns smallint immutable parallel safe language sql as $$
  select floor(2 * ln(greatest(response_us, 1)::double precision) / ln(2::double precision) + 1e-9)::smallint
$$;

create table validation_counts (
  coupon_id uuid not null,
  bucket smallint not null,
  reason text not null,
  min_us integer not null,
  max_us integer not null,
  total_us bigint not null,
  attempts bigint not null,
  removed bigint not null default 0,
  primary key (coupon_id, reason, bucket)
) with (fillfactor = 70);

comment on table validation_counts is 'Attempts since the coupon was created, by reason (empty when valid) and response time.';
comment on column validation_counts.bucket is 'validation_bucket of the response time.';
comment on column validation_counts.removed is 'Attempts that are counted, and no longer in the log.';

-- Batches that could not be written, for an operator to look at and to replay.
create table validation_dead_letters (
  id uuid primary key,
  created_at timestamptz not null default now(),
  attempts integer not null,
  error text not null,
  rows text not null
);

comment on column validation_dead_letters.rows is 'The attempts as JSON, oldest first; a text, so that nothing in it can be refused.';
