-- When a limit of a coupon was last lowered: whoever had more before that had it rightly, and whoever was given
-- more after it was given too much.

alter table coupons add column limits_lowered_at timestamptz not null default '-infinity';

comment on column coupons.limits_lowered_at is
  'When per_user_limit or max_redemptions_per_code was last lowered; triggers see to it.';

create function coupons_before_lower() returns trigger language plpgsql as $$
begin
  new.limits_lowered_at := clock_timestamp();
  return new;
end $$;

-- A coupon without max_redemptions_per_code has no such limit.
create trigger coupons_limits_lowered before update of per_user_limit, max_redemptions_per_code on coupons
  for each row when (
    new.per_user_limit < old.per_user_limit
    or new.max_redemptions_per_code < coalesce(old.max_redemptions_per_code, 2147483647)
  )
  execute function coupons_before_lower();

-- Before this it may have been with any change. Raising the revision makes this none of them.
update coupons set limits_lowered_at = updated_at, revision = revision + 1;
