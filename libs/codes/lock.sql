-- Locks a code for its owner, for a while.
--
-- Params: $1 text code, $2 text user id, $3 int seconds or null for the coupon's own, $4 text session or null,
--         $5 text actor, $6 text address, $7 text agent, $8 text metadata as JSON or null
-- Returns: one row (verdict, status, locked_until, seconds): "ok", or "same" where this owner and session hold
--          a live lock already, which stays as it is, with its own seconds; else why not, in the order below.
with held as materialized (
  select * from assignments where code = $1::text for update
),
book as materialized (
  select coupons.* from codes join coupons on name = coupon_name where code = $1::text
),
judged as materialized (
  select
    case
      when book.name is null then 'code_not_found'
      when book.public then 'code_public'
      when held.code is null then 'code_not_assigned'
      when held.user_id <> $2::text then 'not_owner'
      when held.status = 'redeemed' then 'code_redeemed'
      when book.status <> 'active' or book.starts_at > now() or book.ends_at <= now() then 'coupon_inactive'
      when held.locked_until > now() and held.lock_session is distinct from $4::text then 'code_locked'
      when held.locked_until > now() then 'same'
      else 'ok'
    end as verdict,
    held.claim_id as claim_held, held.status, held.locked_until, coalesce($3::int, lock_ttl_seconds) as seconds
  from (select) as always left join book on true left join held on true
),
changed as (
  update assignments
  set status = 'locked', locked_until = now() + seconds * interval '1 s', lock_session = $4::text
  from judged where code = $1::text and verdict = 'ok'
  returning claim_id, assignments.locked_until
),
audited as (
  insert into code_audit
    (claim_id, code, action, actor, user_id, status_before, status_after, address, agent, metadata)
  select claim_id, $1::text, 'lock', $5::text, $2::text, judged.status, 'locked', $6::text, $7::text, $8::text::jsonb
  from changed cross join judged
)
select
  verdict, judged.status, coalesce(changed.locked_until, judged.locked_until) as locked_until,
  case
    -- What the standing lock was given: it began when it was put on record.
    when verdict = 'same' then coalesce((
      select extract(epoch from judged.locked_until - created_at)::int from code_audit
      where code_audit.claim_id = claim_held and action = 'lock' order by id desc limit 1
    ), seconds)
    else coalesce(seconds, 0)
  end as seconds,
  greatest(1, ceil(extract(epoch from judged.locked_until - now())))::int as retry_after_seconds
from judged left join changed on true
