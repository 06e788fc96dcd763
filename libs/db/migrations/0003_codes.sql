-- Books of codes: the second kind of stock.
--
-- A coupon with a book has exactly as many units as it has codes, and as many units left as codes that
-- nobody has. Triggers see to that for everybody, also for rows that are inserted, deleted or truncated by
-- hand.
--
-- A code is a row of codes and never changes; once it is granted it has a row of assignments as well. Codes
-- leave the book in the order of random_key, and coupons.book_position is the key of the last one that
-- left, so that granting reads a stretch of an index and nothing else. A key is drawn as the position plus
-- an exponential: that distribution has no memory, so codes that are stored later are as likely to be next
-- as those that are left, and every order of the codes in the book is equally likely.

alter table coupons
  add column has_book boolean not null default false,
  add column book_position double precision not null default 0,
  drop constraint coupons_amount_check,
  add constraint coupons_amount_check check (amount >= 1 or has_book and amount = 0);

comment on column coupons.book_position is 'random_key of the code that left the book last.';

create table codes (
  random_key double precision not null,
  created_at timestamptz not null default now(),
  code text primary key check (code ~ '^[!-`{-~]{1,64}$'),
  coupon_name text not null
) with (autovacuum_vacuum_insert_scale_factor = 0.01);

comment on table codes is 'Printable ASCII without lower case letters and spaces, unique over all books.';
comment on column codes.coupon_name is
  'A coupon''s name, which triggers see to: with a foreign key nobody could truncate claims and coupons by hand.';
create index codes_by_code on codes (coupon_name, code);
create index codes_by_random_key on codes (coupon_name, random_key) include (code);

create table assignments (
  claim_id bigint primary key,
  assigned_at timestamptz not null default now(),
  locked_until timestamptz,
  redeemed_at timestamptz,
  coupon_id uuid not null,
  redemption_count integer not null default 0 check (redemption_count >= 0),
  code text not null unique,
  status text not null default 'assigned' check (status in ('assigned', 'locked', 'redeemed')),
  user_id text not null,
  lock_session text,
  check ((status = 'locked') = (locked_until is not null))
) with (fillfactor = 90);

comment on table assignments is 'Codes that left their book: a claim has one code at most, and a code one claim.';
comment on column assignments.lock_session is 'Which of the owner''s sessions holds the lock; null when it named none.';
create index assignments_locked_until on assignments (locked_until) where status = 'locked';
create index assignments_redeemed on assignments (coupon_id) where status = 'redeemed';

create table code_audit (
  id bigint generated always as identity,
  claim_id bigint not null,
  created_at timestamptz not null default now(),
  code text not null,
  action text not null check (action in ('assign', 'lock', 'unlock', 'redeem', 'lapse')),
  actor text not null,
  user_id text not null,
  status_before text not null,
  status_after text not null,
  address text,
  agent text,
  metadata jsonb,
  primary key (claim_id, id)
);

comment on table code_audit is
  'Every change of a code, written by the statement that made it, and kept for ever. By claim and not by code, since claims come in order: that halves what writing it costs.';

create table redemptions (
  id bigint generated always as identity primary key,
  claim_id bigint not null,
  created_at timestamptz not null default now(),
  order_value bigint,
  discount_amount bigint,
  code text not null,
  coupon_name text not null,
  user_id text not null,
  order_id text
);

comment on table redemptions is 'Every use of a code; money in minor units.';
create unique index redemptions_order_id on redemptions (order_id) where order_id is not null;

-- Long work on a book: how far it is, and what is needed to carry on after a crash.
create table code_runs (
  id uuid primary key default gen_random_uuid(),
  coupon_name text not null,
  recipe jsonb not null,
  quantity integer not null check (quantity >= 1),
  created integer not null default 0,
  skipped integer not null default 0,
  status text not null default 'running' check (status in ('running', 'done')),
  leased_until timestamptz not null default '-infinity',
  started_at timestamptz not null default now(),
  finished_at timestamptz
);

create index code_runs_running on code_runs (leased_until) where status = 'running';

-- The discount on an order in minor units: rounded half up, never above the cap or the order itself.
create function discount_amount(discount jsonb, order_value bigint) returns bigint immutable language sql as $$
  select least(
    order_value,
    (discount ->> 'max_amount')::bigint,
    case discount ->> 'type'
      when 'percentage' then floor(order_value * (discount ->> 'value')::numeric / 100 + 0.5)::bigint
      when 'fixed' then (discount ->> 'value')::bigint
    end
  )
$$;

-- The key of a code that is put into a book whose position is given.
create function draw_random_key(book_position double precision) returns double precision volatile language sql as $$
  select book_position - ln(1 - random())
$$;

-- Codes that are inserted by hand have no key yet. The lock keeps the position where it is.
create function codes_before_insert() returns trigger language plpgsql as $$
begin
  select draw_random_key(book_position) into new.random_key from coupons where name = new.coupon_name for update;
  new.random_key := coalesce(new.random_key, 0);  -- No such coupon: the trigger after it says so.
  return new;
end $$;

create trigger codes_inserted before insert on codes
  for each row when (new.random_key is null) execute function codes_before_insert();

create function codes_after_insert() returns trigger language plpgsql as $$
declare
  met bigint;
begin
  -- The first codes replace the amount, but not what was granted before there was a book.
  update coupons
    set amount = case when has_book then amount else amount - remaining_amount end + added_to.total,
        remaining_amount = case when has_book then remaining_amount else 0 end + added_to.total,
        has_book = true
    from (select coupon_name, count(*) as total from added group by coupon_name) added_to
    where coupons.name = added_to.coupon_name;
  get diagnostics met = row_count;
  if met < (select count(distinct coupon_name) from added) then
    raise foreign_key_violation using message = 'a code is put into the book of a coupon that is not there';
  end if;
  return null;
end $$;

create trigger codes_added after insert on codes
  referencing new table as added for each statement execute function codes_after_insert();

create function codes_after_delete() returns trigger language plpgsql as $$
begin
  update coupons
    set amount = amount - gone_of.total, remaining_amount = remaining_amount - gone_of.available
    from (
      select coupon_name, count(*) as total, count(*) filter (where assignments.code is null) as available
      from gone left join assignments on assignments.code = gone.code group by coupon_name
    ) gone_of
    where coupons.name = gone_of.coupon_name;
  delete from assignments using gone where assignments.code = gone.code;
  return null;
end $$;

create trigger codes_deleted after delete on codes
  referencing old table as gone for each statement execute function codes_after_delete();

create function codes_after_truncate() returns trigger language plpgsql as $$
begin
  update coupons set amount = 0, remaining_amount = 0 where has_book;
  truncate assignments;
  return null;
end $$;

create trigger codes_truncated after truncate on codes
  for each statement execute function codes_after_truncate();

-- A code that is taken from somebody by hand goes back into its book, ahead of the position.
create function assignments_after_delete() returns trigger language plpgsql as $$
begin
  update coupons set remaining_amount = remaining_amount + back_to.total
    from (
      select coupon_name, count(*) as total from gone join codes on codes.code = gone.code group by coupon_name
    ) back_to
    where coupons.name = back_to.coupon_name;
  update codes set random_key = draw_random_key(coupons.book_position)
    from gone, coupons where codes.code = gone.code and coupons.name = codes.coupon_name;
  return null;
end $$;

create trigger assignments_deleted after delete on assignments
  referencing old table as gone for each statement execute function assignments_after_delete();

-- A book goes with its coupon, and keeps its name.
create function coupons_books_after_delete() returns trigger language plpgsql as $$
begin
  delete from codes using gone where codes.coupon_name = gone.name and gone.has_book;
  delete from code_runs using gone where code_runs.coupon_name = gone.name;
  return null;
end $$;

create trigger coupons_books_deleted after delete on coupons
  referencing old table as gone for each statement execute function coupons_books_after_delete();

create function coupons_books_after_rename() returns trigger language plpgsql as $$
begin
  update codes set coupon_name = new.name where coupon_name = old.name;
  update code_runs set coupon_name = new.name where coupon_name = old.name;
  return null;
end $$;

create trigger coupons_books_renamed after update of name on coupons
  for each row when (old.name <> new.name) execute function coupons_books_after_rename();

create function coupons_books_after_truncate() returns trigger language plpgsql as $$
begin
  truncate codes, code_runs;
  return null;
end $$;

create trigger coupons_books_truncated after truncate on coupons
  for each statement execute function coupons_books_after_truncate();

-- With all claims gone nobody has a code any more; and the ids of claims may begin anew.
create function assignments_after_truncate_of_claims() returns trigger language plpgsql as $$
begin
  delete from assignments;
  return null;
end $$;

create trigger claims_codes_truncated after truncate on claims
  for each statement execute function assignments_after_truncate_of_claims();
