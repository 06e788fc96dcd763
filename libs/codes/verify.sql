-- Compares each book with its coupon's stock, its claims and what was done with its codes.
--
-- Params: $1 text a coupon's name, or null for all
-- Returns: rows of (invariant text, is_note boolean, found jsonb), none where all is well. A note has an
--          allowed cause: claims that were deleted by hand, or a limit that was lowered later.
with book as (
  select
    coupons.*, granted_count > claimed_count as were_deleted,
    (select count(*) from codes where coupon_name = name) as codes,
    (select count(*) from codes join assignments using (code) where coupon_name = name) as assigned
  from coupons where has_book and ($1::text is null or name = $1)
),
given as (
  select
    assignments.*, codes.coupon_name as book_of, book.name, book.were_deleted, book.max_redemptions_per_code,
    claims.id as claim, claims.coupon_name as claimed_of, claims.user_id as claimed_by,
    (select count(*) from redemptions where redemptions.claim_id = assignments.claim_id) as uses,
    (
      select array_agg(status_after order by id) from code_audit where code_audit.claim_id = assignments.claim_id
    ) as history,
    jsonb_build_object('code', assignments.code, 'claim_id', assignments.claim_id, 'user_id', assignments.user_id,
      'status', assignments.status, 'redemption_count', redemption_count) as found
  from assignments
  left join codes on codes.code = assignments.code
  left join book on book.id = assignments.coupon_id
  left join claims on claims.id = assignments.claim_id
  where $1::text is null or book.name is not null
)
select
  'stock-is-the-codes', false,
  jsonb_build_object('coupon', name, 'amount', amount, 'remaining_amount', remaining_amount, 'codes', codes,
    'available', codes - assigned)
from book where amount <> codes or remaining_amount <> codes - assigned
union all
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
select 'redemptions-within-limit', uses = redemption_count, found || jsonb_build_object('uses', uses)
from given where uses <> redemption_count or redemption_count > max_redemptions_per_code
union all
select 'every-change-is-in-the-audit', false, found || jsonb_build_object('history', history)
from given
where history is null or history[1] <> 'assigned' or history[cardinality(history)] <> status
