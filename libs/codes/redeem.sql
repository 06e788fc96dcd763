-- Redeems a code for its owner, or one of a public coupon for anybody: for good, and as often as its coupon lets it.
--
-- Params: $1 text code, $2 text user id, $3 text session or null, $4 text order id or null, $5 bigint the
--         order's value in minor units or null, $6 text actor, $7 text address, $8 text agent,
--         $9 text metadata as JSON or null
-- Returns: one row (verdict, ...): "ok" with what it came to; else why not, in the order below. That an order
--          has used a code already is known only once its use is written, so it comes last. "again" where a
--          public code met another use of the same person or order in this instant: nothing was done.
--
-- A row lock makes those who redeem one code at once count one after the other: the assignment's, or, where
-- the code is public, that of the code itself, which counts its uses then. A person's uses of public codes are
-- numbered, and the unique index on that number decides between codes too.
with book as materialized (
  select coupons.*, redemption_count as uses_while_public
  from codes join coupons on name = coupon_name where code = $1::text
),
held as materialized (
  select assignments.* from book join assignments on code = $1::text where not public for update of assignments
),
shared as materialized (
  select codes.redemption_count from book join codes on code = $1::text where public for update of codes
),
counted as materialized (
  select
    book.*, held.claim_id, held.user_id, held.locked_until, held.lock_session, held.redeemed_at,
    coalesce(held.status, unheld.status, 'available') as code_status,
    -- A coupon may have been made public, or personal, after codes of it were used.
    case
      when public then shared.redemption_count + coalesce(unheld.redemption_count, 0)
      else held.redemption_count + uses_while_public
    end as uses,
    case when public then coalesce(
      (select max(ordinal) from redemptions where coupon_id = book.id and user_id = $2::text and ordinal is not null), 0
    ) end as uses_of_person
  from book
  left join held on true
  left join shared on true
  left join lateral (select * from assignments where public and code = $1::text) unheld on true
),
judged as materialized (
  select
    case
      when name is null then 'code_not_found'
      when not public and claim_id is null then 'code_not_assigned'
      when not public and counted.user_id <> $2::text then 'not_owner'
      when public and uses >= max_redemptions_per_code or not public and code_status = 'redeemed' then 'code_redeemed'
      when status <> 'active' or starts_at > now() or ends_at <= now() then 'coupon_inactive'
      when locked_until > now() and lock_session is distinct from $3::text then 'code_locked'
      when uses >= max_redemptions_per_code then 'redemption_limit'
      when $5::bigint < (discount ->> 'minimum_order_value')::bigint then 'minimum_not_met'
      when public and exists (select from redemptions where order_id = $4::text) then 'order_already_used'
      when uses_of_person >= per_user_limit then 'quota_reached'
      else 'ok'
    end as verdict,
    id, name, claim_id, public, code_status as status, locked_until, uses, uses_of_person, redeemed_at,
    max_redemptions_per_code as max_redemptions,
    coalesce(uses + 1 >= max_redemptions_per_code, false) as is_final,
    discount_amount(discount, $5::bigint) as discount_amount
  from (select) as always left join counted on true
),
used as (
  insert into redemptions
    (claim_id, code, coupon_id, coupon_name, user_id, order_id, order_value, discount_amount, ordinal)
  select claim_id, $1::text, id, name, $2::text, $4::text, $5::bigint, discount_amount, uses_of_person + 1
  from judged where verdict = 'ok'
  on conflict do nothing
  returning id
),
changed as (
  update assignments
  set
    status = case when is_final then 'redeemed' else 'assigned' end,
    redemption_count = assignments.redemption_count + 1,
    redeemed_at = now(), locked_until = null, lock_session = null
  from judged cross join used where code = $1::text and not public
  returning assignments.status
),
shared_changed as (
  update codes set redemption_count = codes.redemption_count + 1
  from judged cross join used where code = $1::text and public
  returning case when is_final then 'redeemed' else judged.status end as status
),
done as (
  select status from changed union all select status from shared_changed
),
audited as (
  insert into code_audit
    (claim_id, code, action, actor, user_id, status_before, status_after, address, agent, metadata)
  select coalesce(claim_id, 0), $1::text, 'redeem', $6::text, $2::text, judged.status, done.status, $7::text, $8::text,
    $9::text::jsonb
  from done cross join judged
)
select
  case
    when verdict = 'ok' and done.status is null then case when public then 'again' else 'order_already_used' end
    else verdict
  end as verdict,
  coalesce(done.status, judged.status) as status,
  case when done.status is null then uses else uses + 1 end as redemption_count,
  case when done.status is null then redeemed_at else now() end as redeemed_at,
  max_redemptions, is_final, discount_amount, locked_until,
  greatest(1, ceil(extract(epoch from locked_until - now())))::int as retry_after_seconds
from judged left join done on true
