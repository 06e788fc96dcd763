-- Removes a bite of the log: the rows written next after $1 that are older than $2 days.
--
-- Params: $1 bigint the id after which to look, $2 int days, $3 int rows at most
-- Returns: one row (seen, removed, last_id): how many rows were looked at and removed, and where to go on.
--
-- Rows lie in the order in which they were written, and a row was answered before that: where nothing of a bite
-- is old enough, nothing after it is, but for what was replayed later, which is removed when its turn comes.
with bite as materialized (
  select id, created_at from validations where id > $1::bigint order by id limit $3::int
),
gone as (
  delete from validations
  using bite
  where validations.id = bite.id and bite.created_at < now() - $2::int * interval '1 day'
  returning coupon_id, coalesce(reason, '') as reason, validation_bucket(response_us) as bucket
),
gone_of as materialized (
  select coupon_id, reason, bucket, count(*) as n from gone where coupon_id is not null group by 1, 2, 3
),
-- In the order in which writers take them.
locked as materialized (
  select from validation_counts where (coupon_id, reason, bucket) in (select coupon_id, reason, bucket from gone_of)
  order by coupon_id, reason, bucket for update
),
counted as (
  update validation_counts
  set removed = removed + n
  from gone_of
  where validation_counts.coupon_id = gone_of.coupon_id
    and validation_counts.reason = gone_of.reason and validation_counts.bucket = gone_of.bucket
    and (select count(*) from locked) > 0
)
select
  (select count(*) from bite)::int as seen, (select count(*) from gone)::int as removed,
  (select max(id) from bite) as last_id
