-- Compares each coupon's stock and counters with its claims, in one pass over the claims by coupon.
--
-- Params: $1 text a coupon's name, or null for all
-- Returns: rows of (invariant, is_note, found), see Check in libs/db/checks.ts
--
-- Settle takes a unit, a sequence number and a row together, so for a coupon that nobody touched by hand
-- amount - remaining_amount = granted_count = claimed_count = its rows, and the sequence has no gap.
-- Rows that are deleted by hand lower claimed_count (a trigger), not granted_count: gaps up to the
-- difference are explained, and whether their units went back into the stock is whoever deleted them to
-- say. Both are notes. A row inserted by hand takes a number and no unit: that unit is for sale twice,
-- which is a violation until the stock is lowered.
--
-- `is_sound` says that no trace of a lost or doubled grant is in the counters, so that they can be set by the
-- claims (repair-counts.sql).
with counted as (
  select
    coupon_name, count(*) as n, count(distinct sequence) as numbers,
    min(sequence) as first, max(sequence) as last
  from claims where $1::text is null or coupon_name = $1 group by coupon_name
),
coupon as (
  select
    name, amount, remaining_amount, granted_count, claimed_count, has_book, amount - remaining_amount as taken,
    coalesce(n, 0) as n, coalesce(numbers, 0) as numbers, coalesce(first, 1) as first, coalesce(last, 0) as last,
    coalesce(n, 0) >= claimed_count and coalesce(last, 0) <= granted_count as is_sound
  from coupons left join counted on coupon_name = name
  where $1::text is null or name = $1
)
select 'claims-have-a-coupon', false, jsonb_build_object('coupon', coupon_name, 'claims', n)
from counted where not exists (select from coupons where name = coupon_name)
union all
select 'grants-within-amount', false, jsonb_build_object('coupon', name, 'amount', amount, 'claims', n)
from coupon where n > amount
union all
select
  'remaining-is-what-is-left', taken between n and greatest(granted_count, n),
  jsonb_build_object('coupon', name, 'amount', amount, 'remaining_amount', remaining_amount, 'claims', n,
    'is_sound', is_sound, 'has_book', has_book, 'what', case
      when taken < n then 'units that are claimed are for sale'
      when taken > greatest(granted_count, n) then 'units are neither claimed nor for sale'
      else 'units of deleted claims are not for sale'
    end)
from coupon where taken <> n
union all
select
  'claimed-count-is-the-rows', false,
  jsonb_build_object('coupon', name, 'claimed_count', claimed_count, 'claims', n, 'is_sound', is_sound,
    'what', case when n < claimed_count then 'claims are gone that nobody deleted' else 'claims are not counted' end)
from coupon where claimed_count <> n
union all
select
  'sequence-is-contiguous',
  n = numbers and first >= 1 and last <= granted_count and granted_count - numbers <= granted_count - claimed_count,
  jsonb_build_object('coupon', name, 'granted_count', granted_count, 'claims', n, 'first', first, 'last', last,
    'missing', granted_count - numbers, 'deleted', granted_count - claimed_count)
from coupon where n <> numbers or first < 1 or last <> granted_count or numbers <> granted_count
