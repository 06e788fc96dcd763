-- Validates codes: whether each is good for a person and an order, without using it.
--
-- Params: $1 text[] codes as they are stored, $2 text[] user ids, $3 bigint[] order values in minor units,
--         $4 text[] order ids or null, $5 text[] sessions or null: one validation at the same place of each
-- Returns: a row for each, in their order (reason, coupon_name, coupon_id, discount_amount): a reason out of the closed
--          list, or null where the code is good; the first that applies. The amount only where it is good.
--
-- Whoever asks at the same time is answered by one statement, so that nothing has to be remembered, and nothing
-- that is remembered can be out of date. Plan: for each validation a look into the indexes on codes, coupons,
-- assignments and, where they matter, redemptions. Laterals and scalar subqueries, because the planner would join
-- or hash whole tables while they are small, and a prepared statement stays with that.
select
  judged.reason,
  name as coupon_name,
  coupon.id as coupon_id,
  case when reason is null then coalesce(discount_amount(discount, order_value), 0) end as discount_amount
from unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[]) with ordinality
  as asked (code, user_id, order_value, order_id, session, place)
left join lateral (
  select code, coupon_name, redemption_count from codes where codes.code = asked.code offset 0
) stored on true
left join lateral (
  select * from coupons where coupons.name = stored.coupon_name offset 0
) coupon on true
left join lateral (
  select user_id, status, redemption_count, locked_until, lock_session
  from assignments where assignments.code = stored.code offset 0
) held on true
cross join lateral (
  select case
    when name is null then 'code_not_found'
    when coupon.status <> 'active' then 'coupon_inactive'
    when starts_at > now() then 'not_started'
    when ends_at <= now() then 'expired'
    when public and stored.redemption_count + coalesce(held.redemption_count, 0) >= max_redemptions_per_code
      then 'exhausted'
    when order_value < (discount ->> 'minimum_order_value')::bigint then 'minimum_not_met'
    when (select true from redemptions where redemptions.order_id = asked.order_id limit 1) then 'order_already_used'
    when not public and held.user_id is distinct from asked.user_id then 'not_assigned_to_user'
    when not public and (held.status = 'redeemed'
      or held.redemption_count + stored.redemption_count >= max_redemptions_per_code) then 'already_used'
    when public and per_user_limit <= (
      select ordinal from redemptions
      where redemptions.coupon_id = coupon.id and redemptions.user_id = asked.user_id and ordinal is not null
      order by ordinal desc limit 1
    ) then 'user_limit_reached'
    when not public and locked_until > now() and lock_session is distinct from session then 'locked'
  end as reason
) judged
order by place
