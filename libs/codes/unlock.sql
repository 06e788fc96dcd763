-- Takes the lock off a code. Without one there is nothing to do, which is no mistake.
--
-- Params: $1 text code, $2 text user id, $3 text session or null, $4 text actor, $5 text address, $6 text agent
-- Returns: one row (verdict, status, locked_until): "ok", "same" where it was not locked; else why not.
with held as materialized (
  select * from assignments where code = $1::text for update
),
judged as materialized (
  select
    case
      when not exists (select from codes where code = $1::text) then 'code_not_found'
      when held.code is null then 'code_not_assigned'
      when held.user_id <> $2::text then 'not_owner'
      when held.locked_until > now() and held.lock_session is distinct from $3::text then 'code_locked'
      when held.status <> 'locked' then 'same'
      else 'ok'
    end as verdict,
    held.status, held.locked_until
  from (select) as always left join held on true
),
changed as (
  update assignments set status = 'assigned', locked_until = null, lock_session = null
  from judged where code = $1::text and verdict = 'ok'
  returning claim_id
),
audited as (
  insert into code_audit (claim_id, code, action, actor, user_id, status_before, status_after, address, agent)
  select claim_id, $1::text, 'unlock', $4::text, $2::text, status, 'assigned', $5::text, $6::text
  from changed cross join judged
)
select
  verdict, case when verdict = 'ok' then 'assigned' else status end as status, locked_until,
  greatest(1, ceil(extract(epoch from locked_until - now())))::int as retry_after_seconds
from judged
