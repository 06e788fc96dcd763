-- The tables in which a bite is drawn before it is stored. They go with the transaction.
create temporary table drawn_coupons (
  n integer primary key,
  name text not null,
  public boolean not null,
  state text not null,
  first_code integer not null,
  codes integer not null
) on commit drop;

create temporary table drawn_codes (
  coupon integer not null,
  code text not null,
  random_key double precision not null,
  sequence bigint not null,
  user_id text,
  is_redeemed boolean not null
) on commit drop;
