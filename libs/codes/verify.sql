-- Compares each book with its coupon's claims and what was done with its codes.
--
-- Params: $1 text a coupon's name, or null for all
-- Returns: rows of (invariant text, is_note boolean, found jsonb), none where all is well. A note has an
--          allowed cause: claims that were deleted by hand, or a limit that was lowered later.
with book as (
  select coupons.*, granted_count > claimed_count as were_deleted
  from coupons where has_book and ($1::text is null or name = $1)
),
-- All at once: there is no index by claim, since nothing else asks so.
used as (
  select claim_id, count(*) as uses, max(created_at) as last_use
  from redemptions where claim_id is not null group by claim_id
),
used_by_all as (
  select code, count(*) as uses, max(created_at) as last_use from redemptions where claim_id is null group by code
),
given as (
  select
    assignments.*, codes.coupon_name as book_of, book.name, book.were_deleted, book.max_redemptions_per_code,
    book.limits_lowered_at, codes.redemption_count as count_of_all, greatest(used.last_use, used_by_all.last_use) as last_use,
    claims.id as claim, claims.coupon_name as claimed_of, claims.user_id as claimed_by,
    coalesce(used.uses, 0) as uses,
    (
      select array_agg(status_after order by id) from code_audit where code_audit.claim_id = assignments.claim_id
    ) as history,
    jsonb_build_object('code', assignments.code, 'claim_id', assignments.claim_id, 'user_id', assignments.user_id,
      'status', assignments.status, 'redemption_count', assignments.redemption_count) as found
  from assignments
  left join codes on codes.code = assignments.code
  left join book on book.id = assignments.coupon_id
  left join claims on claims.id = assignments.claim_id
  left join used on used.claim_id = assignments.claim_id
  left join used_by_all on used_by_all.code = assignments.code
  where $1::text is null or book.name is not null
),
shared as (
  select
    codes.code, redemption_count, max_redemptions_per_code, coalesce(uses, 0) as uses,
    last_use < limits_lowered_at as is_lowered
  from codes
  join coupons on name = coupon_name
  left join used_by_all on used_by_all.code = codes.code
  where (redemption_count > 0 or uses > 0) and ($1::text is null or name = $1)
),
-- By the index on the uses of a person; a hole is a use that was deleted by hand.
person as (
  select coupon_id, user_id, count(*) as uses, max(ordinal) as ordinal_most, max(redemptions.created_at) as last_use
  from redemptions
  where ordinal is not null and ($1::text is null or coupon_id = (select id from coupons where name = $1))
  group by coupon_id, user_id
)
select 'available-codes-can-be-granted', false, jsonb_build_object('coupon', name, 'code', codes.code)
from book join codes on coupon_name = name
where random_key < book_position and not exists (select from assignments where assignments.code = codes.code)
union all
select
  'claims-have-a-code', were_deleted, jsonb_build_object('coupon', name, 'claim_id', claims.id, 'user_id', claims.user_id)
from book join claims on coupon_name = name
where not exists (select from assignments where claim_id = claims.id)
union all
select 'assigned-codes-are-claimed', claim is null and coalesce(were_deleted, false), found
from given where claim is null or book_of is distinct from name or claimed_of <> name or claimed_by <> user_id
union all
select 'codes-are-assigned-once', false, jsonb_build_object('code', code, 'assignments', jsonb_agg(found))
from given group by code having count(*) > 1
union all
-- Its uses while it was public count too, as where it is redeemed.
select
  'redemptions-within-limit', uses = redemption_count and coalesce(last_use < limits_lowered_at, false),
  found || jsonb_build_object('uses', uses, 'public_uses', count_of_all,
    'max_redemptions_per_code', max_redemptions_per_code)
from given where uses <> redemption_count or redemption_count + count_of_all > max_redemptions_per_code
union all
select
  'public-uses-within-limit', uses = redemption_count and coalesce(is_lowered, false),
  jsonb_build_object('code', code, 'redemption_count', redemption_count, 'uses', uses)
from shared where redemption_count <> uses or redemption_count > max_redemptions_per_code
union all
select
  'public-uses-within-limit-of-person', last_use < limits_lowered_at,
  jsonb_build_object('coupon', name, 'user_id', user_id, 'uses', person.uses, 'per_user_limit', per_user_limit)
from person join coupons on coupons.id = coupon_id where ordinal_most > per_user_limit
union all
select 'one-code-an-order', false, jsonb_build_object('order_id', order_id, 'uses', count(*))
from redemptions where order_id is not null and ($1::text is null or coupon_name = $1)
group by order_id having count(*) > 1
union all
select 'every-change-is-in-the-audit', false, found || jsonb_build_object('history', history)
from given
where history is null or history[1] <> 'assigned' or history[cardinality(history)] <> status
