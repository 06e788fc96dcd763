-- Public codes, discounts that can be relied on, and the uses of codes by coupon and by person.
--
-- A code is personal once it is assigned. Those of a public coupon may be used by anybody: a use has no claim
-- then, the code's own row counts how often it was used, and the use says the how-manieth of this person it is.

alter table coupons
  add column public boolean not null default false;

comment on column coupons.public is
  'Anybody may use its codes, each max_redemptions_per_code times and each person per_user_limit times in all.';

-- What discount_amount can reckon with; also for rows that are written by hand. It calls no function of ours:
-- whoever restores a backup has an empty search_path.
create function is_discount(discount jsonb) returns boolean immutable language sql as $$
  select coalesce(
    jsonb_typeof(discount) = 'object'
    and discount ->> 'currency' ~ '^[A-Z]{3}$'
    and jsonb_typeof(discount -> 'value') = 'number'
    and case discount ->> 'type'
      when 'percentage' then (discount ->> 'value') ~ '^\d{1,3}(\.\d{1,2}0*)?$'
        and (discount ->> 'value')::numeric > 0 and (discount ->> 'value')::numeric <= 100
      when 'fixed' then (discount ->> 'value') ~ '^[1-9]\d{0,9}$'
    end
    and coalesce(jsonb_typeof(discount -> 'max_amount'), 'number') = 'number'
    and coalesce(discount ->> 'max_amount', '1') ~ '^[1-9]\d{0,9}$'
    and coalesce(jsonb_typeof(discount -> 'minimum_order_value'), 'number') = 'number'
    and coalesce(discount ->> 'minimum_order_value', '0') ~ '^\d{1,10}$',
    false
  )
$$;

alter table coupons add constraint coupons_discount_check check (discount is null or is_discount(discount));

-- As it was, and null without a discount or an order's value: least() passes over what is null, and gave all of it.
create or replace function discount_amount(discount jsonb, order_value bigint) returns bigint immutable language sql as $$
  select case when discount is not null and order_value is not null then
    least(
      order_value,
      (discount ->> 'max_amount')::bigint,
      case discount ->> 'type'
        when 'percentage' then floor(order_value * (discount ->> 'value')::numeric / 100 + 0.5)::bigint
        when 'fixed' then (discount ->> 'value')::bigint
      end
    )
  end
$$;

alter table codes add column redemption_count integer not null default 0 check (redemption_count >= 0);

comment on column codes.redemption_count is 'Uses of a public code; those of a personal one are counted by its assignment.';

alter table redemptions
  alter column claim_id drop not null,
  add column coupon_id uuid,
  add column ordinal integer check (ordinal >= 1);

update redemptions set coupon_id = coupons.id from coupons where coupons.name = coupon_name;

comment on column redemptions.claim_id is 'Null for a use of a public code.';
comment on column redemptions.ordinal is
  'The how-manieth use of this person of this coupon''s public codes, from 1; null for a use of a personal code.';

create unique index redemptions_person on redemptions (coupon_id, user_id, ordinal) where ordinal is not null;
create index redemptions_coupon on redemptions (coupon_id, id);
create index redemptions_user on redemptions (user_id, id);

-- Rows by hand, or of an API of the version before, name their coupon only.
create function redemptions_before_insert() returns trigger language plpgsql as $$
begin
  select id into new.coupon_id from coupons where name = new.coupon_name;
  return new;
end $$;

create trigger redemptions_inserted before insert on redemptions
  for each row when (new.coupon_id is null) execute function redemptions_before_insert();

comment on column code_audit.claim_id is '0 for a use of a public code.';
create index code_audit_public on code_audit (code, id) where claim_id = 0;
