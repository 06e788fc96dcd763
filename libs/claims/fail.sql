-- Records that tickets failed: their job ended in the failed set. No outcome: when an operator
-- retries the job, settle decides them as if they were new.
--
-- Params: $1 uuid coupon, $2 text its name, $3 text[] tickets, $4 text[] user ids
-- Returns: rows of (payload) as settle.sql, with outcomes [ticket, user, 'f'], also sent to
--          channel claimline_settled. A ticket that has an outcome is left alone.
with failed as (
  insert into refusals (ticket, coupon_id, coupon_name, user_id, reason)
  select ticket, $1::uuid, $2::text, user_id, 'failed'
  from unnest($3::text[], $4::text[]) as line (ticket, user_id)
  where not exists (select from claims where claims.ticket = line.ticket)
  on conflict (ticket) do nothing
  returning ticket, user_id
),
message as (
  select json_build_object(
    'coupon', $1::uuid,
    'name', $2::text,
    'at', floor(extract(epoch from now()) * 1000),
    'outcomes', json_agg(json_build_array(ticket, user_id, 'f'))
  )::text as payload
  from (
    select *, (sum(octet_length(user_id) * 6 + 70) over (order by ticket))::int / 4400 as part from failed
  ) sized
  group by part
)
select payload, pg_notify('claimline_settled', payload) from message
