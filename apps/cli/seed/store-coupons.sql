-- Stores the coupons of drawn_coupons, without units: those come with the codes.
--
-- Params: $1 text the seed
with drawn as (
  select *, ('x' || substr(md5($1 || ' terms ' || n), 1, 7))::bit(28)::integer as die from drawn_coupons
)
insert into coupons (
  name, id, amount, remaining_amount, public, status, starts_at, ends_at, per_user_limit, max_redemptions_per_code,
  discount, metadata, created_at
)
select
  name, md5($1 || ' id ' || n)::uuid, 1, 1, public,
  case when state = 'inactive' then case when die % 2 = 0 then 'paused' else 'ended' end else 'active' end,
  timestamptz '2024-01-01 00:00:00Z' + die % 365 * interval '1 day',
  case
    when state = 'expired' then timestamptz '2025-01-01 00:00:00Z' + die % 180 * interval '1 day'
    when die % 3 = 0 then timestamptz '2090-01-01 00:00:00Z' + die % 365 * interval '1 day'
  end,
  case when public then 1 + die % 3 else 1 end,
  case when public then case when die % 4 > 0 then 100 * (1 + die % 50) end else 1 end,
  jsonb_strip_nulls(
    case when die % 5 < 3
      then jsonb_build_object('type', 'percentage', 'value', trim_scale((5 + die % 46)::numeric / (1 + die % 2)),
        'max_amount', case when die % 7 < 3 then 1000 * (1 + die % 10) end)
      else jsonb_build_object('type', 'fixed', 'value', 100 * (1 + die % 30))
    end
    || jsonb_build_object('currency', 'EUR', 'minimum_order_value', case when die % 11 < 4 then 500 * (1 + die % 8) end)
  ),
  jsonb_build_object('seed', $1),
  timestamptz '2024-01-01 00:00:00Z'
from drawn order by n
