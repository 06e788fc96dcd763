-- Looks at what each person holds of each coupon, in one pass over the claims by person.
--
-- Params: $1 text a coupon's name, or null for all
-- Returns: rows of (invariant, is_note, found), see Check in libs/db/checks.ts
--
-- A person's claims of a coupon are numbered 1, 2, 3. Where rows of the coupon were deleted by hand
-- (granted_count is above claimed_count) a gap is a note. Whoever has more than the limit is a violation
-- when the newest was granted after a limit was last lowered: then it was what it is now, or lower. One that
-- came before that, or was inserted by hand and so has no ticket, is a note.
with person as (
  select
    coupon_name, user_id, count(*) as held, count(distinct ordinal) as ordinals,
    min(ordinal) as first, max(ordinal) as last, max(created_at) as newest,
    max(created_at) filter (where ticket is not null) as newest_granted
  from claims
  -- Nearly everybody has one claim, which is looked at without a sort.
  where ($1::text is null or coupon_name = $1) and (user_id, coupon_name) in (
    select user_id, coupon_name from claims
    where $1::text is null or coupon_name = $1
    group by user_id, coupon_name having count(*) > 1 or min(ordinal) <> 1
  )
  group by coupon_name, user_id
),
holding as (
  select
    person.*, per_user_limit, limits_lowered_at, granted_count > claimed_count as were_deleted,
    jsonb_build_object('coupon', coupon_name, 'user_id', user_id, 'claims', held, 'first', first, 'last', last,
      'per_user_limit', per_user_limit) as found
  from person left join coupons on name = coupon_name
)
select 'one-grant-per-person-and-ordinal', false, found from holding where ordinals < held
union all
select 'ordinals-are-contiguous', first >= 1 and coalesce(were_deleted, false), found
from holding where ordinals = held and (first <> 1 or last <> held)
union all
select
  'person-within-limit', newest <= limits_lowered_at or newest_granted is distinct from newest, found
from holding where held > per_user_limit
