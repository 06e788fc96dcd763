-- Takes off the locks that have lapsed. They lock nothing any more; this puts it on record.
--
-- Params: $1 int  the most at once
-- Returns: one row (count)
with lapsed as materialized (
  select claim_id from assignments where status = 'locked' and locked_until <= now()
  order by locked_until limit $1::int for update skip locked
),
freed as (
  update assignments set status = 'assigned', locked_until = null, lock_session = null
  where claim_id = any (array(select claim_id from lapsed))
  returning claim_id, code, user_id
),
audited as (
  insert into code_audit (claim_id, code, action, actor, user_id, status_before, status_after)
  select claim_id, code, 'lapse', 'sweep', user_id, 'locked', 'assigned' from freed
)
select count(*)::int as count from freed
