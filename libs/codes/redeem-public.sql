-- Redeems a code of a public coupon for anybody: for good, as often as its coupon lets it, and lets each person.
--
-- Params: those of redeem.sql without the session
-- Returns: a row as redeem.sql does. "again" where another use of the same person or order came in this
--          instant, and "personal" where the coupon is public no more: nothing was done.
--
-- The lock on the code's row makes those who redeem it at once count one after the other. A person's uses of
-- public codes are numbered, and the unique index on that number decides between several codes of a coupon.
with book as materialized (
  select coupons.*, codes.redemption_count
  from codes join coupons on name = coupon_name where code = $1::text for update of codes
),
held as materialized (
  select claim_id, redemption_count, redeemed_at from assignments where code = $1::text
),
counted as materialized (
  select
    book.*, case when held.claim_id is null then 'available' else 'assigned' end as code_status,
    held.redeemed_at,
    -- Its uses while it was personal count too.
    book.redemption_count + coalesce(held.redemption_count, 0) as uses,
    coalesce((
      select ordinal from redemptions where coupon_id = book.id and user_id = $2::text and ordinal is not null
      order by ordinal desc limit 1
    ), 0) as uses_of_person
  from book left join held on true
),
judged as materialized (
  select
    case
      when name is null then 'code_not_found'
      when not public then 'personal'
      when uses >= max_redemptions_per_code then 'code_redeemed'
      when status <> 'active' or starts_at > now() or ends_at <= now() then 'coupon_inactive'
      when coalesce($4::bigint, 0) < (discount ->> 'minimum_order_value')::bigint then 'minimum_not_met'
      when (select true from redemptions where order_id = $3::text limit 1) then 'order_already_used'
      when uses_of_person >= per_user_limit then 'quota_reached'
      else 'ok'
    end as verdict,
    id, name, code_status as status, uses, uses_of_person, redeemed_at, max_redemptions_per_code as max_redemptions,
    coalesce(uses + 1 >= max_redemptions_per_code, false) as is_final,
    discount_amount(discount, $4::bigint) as discount_amount
  from (select) as always left join counted on true
),
used as (
  insert into redemptions (code, coupon_id, coupon_name, user_id, order_id, order_value, discount_amount, ordinal)
  select $1::text, id, name, $2::text, $3::text, $4::bigint, discount_amount, uses_of_person + 1
  from judged where verdict = 'ok'
  on conflict do nothing
  returning id
),
changed as (
  update codes set redemption_count = codes.redemption_count + 1
  from judged cross join used where code = $1::text
  returning case when is_final then 'redeemed' else judged.status end as status
),
audited as (
  insert into code_audit
    (claim_id, code, action, actor, user_id, status_before, status_after, address, agent, metadata)
  select 0, $1::text, 'redeem', $5::text, $2::text, judged.status, changed.status, $6::text, $7::text, $8::text::jsonb
  from changed cross join judged
),
told as (
  insert into outbox (type, subject, coupon_name, data)
  select 'code.redeemed', judged.id::text, name, jsonb_build_object(
    'coupon_name', name, 'code', $1::text, 'user_id', $2::text, 'order_id', $3::text, 'order_value', $4::bigint,
    'discount_amount', discount_amount, 'redemption_count', uses + 1, 'max_redemptions', max_redemptions,
    'final', is_final, 'redeemed_at', utc(now())
  )
  from changed cross join judged
  where webhooks_wanted()
)
select
  case when verdict = 'ok' and changed.status is null then 'again' else verdict end as verdict,
  coalesce(changed.status, judged.status) as status,
  case when changed.status is null then uses else uses + 1 end as redemption_count,
  case
    when changed.status is not null then now()
    when verdict = 'code_redeemed' then greatest(redeemed_at, (
      select created_at from code_audit where claim_id = 0 and code = $1::text order by id desc limit 1
    ))
  end as redeemed_at,
  max_redemptions, is_final, discount_amount,
  null::timestamptz as locked_until, null::int as retry_after_seconds
from judged left join changed on true
