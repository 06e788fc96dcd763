-- Redeems a code for its owner: for good, and as often as its coupon lets it.
--
-- Params: $1 text code, $2 text user id, $3 text session or null, $4 text order id or null, $5 bigint the
--         order's value in minor units or null, $6 text actor, $7 text address, $8 text agent,
--         $9 text metadata as JSON or null
-- Returns: one row (verdict, ...): "ok" with what it came to; else why not, in the order below. That an order
--          has used a code already is known only once its use is written, so it comes last. "public" where
--          anybody may use the code: redeem-public.sql is for those.
--
-- The row lock makes those who redeem one code at once count one after the other.
with held as materialized (
  select * from assignments where code = $1::text for update
),
book as materialized (
  -- Its uses while it was public count too.
  select coupons.*, redemption_count as uses_of_all from codes join coupons on name = coupon_name where code = $1::text
),
judged as materialized (
  select
    case
      when book.name is null then 'code_not_found'
      when book.public then 'public'
      when held.code is null then 'code_not_assigned'
      when held.user_id <> $2::text then 'not_owner'
      when held.status = 'redeemed' then 'code_redeemed'
      when book.status <> 'active' or book.starts_at > now() or book.ends_at <= now() then 'coupon_inactive'
      when held.locked_until > now() and held.lock_session is distinct from $3::text then 'code_locked'
      when held.redemption_count + uses_of_all >= book.max_redemptions_per_code then 'redemption_limit'
      when coalesce($5::bigint, 0) < (book.discount ->> 'minimum_order_value')::bigint then 'minimum_not_met'
      else 'ok'
    end as verdict,
    held.claim_id, held.coupon_id, held.status, held.locked_until,
    held.redemption_count + uses_of_all as redemption_count, held.redeemed_at,
    book.name, book.max_redemptions_per_code as max_redemptions,
    coalesce(held.redemption_count + uses_of_all + 1 >= book.max_redemptions_per_code, false) as is_final,
    discount_amount(book.discount, $5::bigint) as discount_amount
  from (select) as always left join book on true left join held on true
),
used as (
  insert into redemptions (claim_id, code, coupon_id, coupon_name, user_id, order_id, order_value, discount_amount)
  select claim_id, $1::text, coupon_id, name, $2::text, $4::text, $5::bigint, discount_amount from judged where verdict = 'ok'
  on conflict (order_id) where order_id is not null do nothing
  returning id
),
changed as (
  update assignments
  set
    status = case when is_final then 'redeemed' else 'assigned' end,
    redemption_count = assignments.redemption_count + 1,
    redeemed_at = now(), locked_until = null, lock_session = null
  from judged cross join used where code = $1::text
  returning assignments.status, judged.redemption_count + 1 as redemption_count, assignments.redeemed_at
),
audited as (
  insert into code_audit
    (claim_id, code, action, actor, user_id, status_before, status_after, address, agent, metadata)
  select judged.claim_id, $1::text, 'redeem', $6::text, $2::text, judged.status, changed.status, $7::text, $8::text,
    $9::text::jsonb
  from changed cross join judged
),
told as (
  insert into outbox (type, subject, coupon_name, data)
  select 'code.redeemed', judged.coupon_id::text, name, jsonb_build_object(
    'coupon_name', name, 'code', $1::text, 'user_id', $2::text, 'order_id', $4::text, 'order_value', $5::bigint,
    'discount_amount', discount_amount, 'redemption_count', changed.redemption_count,
    'max_redemptions', max_redemptions, 'final', is_final, 'redeemed_at', utc(changed.redeemed_at)
  )
  from changed cross join judged
  where webhooks_wanted()
)
select
  case when verdict = 'ok' and changed.status is null then 'order_already_used' else verdict end as verdict,
  coalesce(changed.status, judged.status) as status,
  coalesce(changed.redemption_count, judged.redemption_count) as redemption_count,
  coalesce(changed.redeemed_at, judged.redeemed_at) as redeemed_at,
  max_redemptions, is_final, discount_amount, locked_until,
  greatest(1, ceil(extract(epoch from locked_until - now())))::int as retry_after_seconds
from judged left join changed on true
