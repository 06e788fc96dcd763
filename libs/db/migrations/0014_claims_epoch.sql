-- Who holds a claim of a coupon is remembered outside Postgres apart from the coupon's terms: there may be a million of
-- them, and most changes of a coupon, such as of its metadata, its stock or its status, change none of them.
--
--   claims_epoch  rises where something that is NOT a settle changes who holds how many claims, or how many a person
--                 may hold: whom a settle refused as a holder is remembered as one who holds enough. Whatever was
--                 remembered about the coupon's claims outside Postgres belongs to one claims epoch. With it rises epoch.

alter table coupons add column claims_epoch bigint not null default 1;

comment on column coupons.claims_epoch is
  'Rises with a change, other than a settle, of who holds its claims or how many one may hold; triggers see to it.';

create or replace function coupons_before_update() returns trigger language plpgsql as $$
begin
  new.revision := old.revision + 1;
  new.epoch := old.epoch + 1;
  -- The counters move with every claim that comes or goes; who sets them alone may have written claims before.
  if (new.per_user_limit, new.granted_count, new.claimed_count)
    is distinct from (old.per_user_limit, old.granted_count, old.claimed_count)
  then
    new.claims_epoch := old.claims_epoch + 1;
  end if;
  new.updated_at := clock_timestamp();
  perform notify_coupon_changed(old.name);
  perform notify_coupon_changed(new.name);
  return new;
end $$;

-- These two may change who holds claims and no counter.
create or replace function claims_after_update() returns trigger language plpgsql as $$
begin
  update coupons
    set claims_epoch = claims_epoch + 1,
      claimed_count = claimed_count
        + (case when name = new.coupon_name then 1 else 0 end) - (case when name = old.coupon_name then 1 else 0 end)
    where name in (old.coupon_name, new.coupon_name);
  return null;
end $$;

create or replace function claims_after_truncate() returns trigger language plpgsql as $$
begin
  update coupons set granted_count = 0, claimed_count = 0, claims_epoch = claims_epoch + 1;
  return null;
end $$;
