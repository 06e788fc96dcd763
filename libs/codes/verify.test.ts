import { closePool, openPool, type Sql } from '@claimline/db/pool';
import { createTestDatabase, type TestDatabase } from '@claimline/db/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { codeCheck, stockCheck } from './verify.ts';

let database: TestDatabase;
let sql: Sql;
beforeAll(async () => {
  database = await createTestDatabase();
  sql = openPool({ url: database.url, applicationName: 'test' });
});
afterAll(async () => {
  await closePool(sql, 1);
  await database.drop();
});

/** The names of what is wrong, or only looks odd. */
async function found() {
  const verdicts = [stockCheck, codeCheck].map(check =>
    sql.unsafe<{ invariant: string; is_note: boolean }[]>(
      `select invariant, is_note from (${check.sql}) as found (invariant, is_note, found)`,
      [null],
    ),
  );
  const rows = (await Promise.all(verdicts)).flat();
  return rows.map(row => (row.is_note ? `(${row.invariant})` : row.invariant)).sort();
}

/** A book of three codes, one of them ada's and redeemed, as the statements leave them. */
async function openBook(name: string) {
  await sql`insert into coupons (name, amount) values (${name}, 1)`;
  await sql`insert into codes (code, coupon_name) select upper(${name}) || n, ${name} from generate_series(1, 3) n`;
  const code = `${name.toUpperCase()}1`;
  await sql`
    with claim as (
      insert into claims (user_id, coupon_name, sequence) values ('ada', ${name}, 1) returning id
    ),
    given as (
      insert into assignments (claim_id, code, coupon_id, user_id, redemption_count, status)
      select claim.id, ${code}, coupons.id, 'ada', 1, 'redeemed' from claim, coupons where name = ${name}
    ),
    used as (
      insert into redemptions (claim_id, code, coupon_name, user_id) select id, ${code}, ${name}, 'ada' from claim
    )
    insert into code_audit (claim_id, code, action, actor, user_id, status_before, status_after)
    select id, ${code}, action, 'user', 'ada', '', after
    from claim, (values ('assign', 'assigned'), ('redeem', 'redeemed')) as change (action, after)`;
  await sql`
    update coupons set remaining_amount = 2, granted_count = 1, claimed_count = 1, revision = revision + 1
    where name = ${name}`;
  return code;
}

/** One more use of the code that ada has. */
const useAgain = () => sql`
  insert into redemptions (claim_id, code, coupon_name, user_id)
  select claim_id, code, coupon_name, user_id from redemptions where claim_id is not null`;

test.each([
  ['nothing', () => sql`select 1`, []],
  [
    'a unit too many',
    () => sql`update coupons set remaining_amount = 3 where name = 'book'`,
    ['stock-is-the-codes'],
  ],
  [
    'a code that was passed over',
    () => sql`update coupons set book_position = 1e9 where name = 'book'`,
    ['available-codes-can-be-granted', 'available-codes-can-be-granted'],
  ],
  ['a claim deleted by hand', () => sql`delete from claims`, ['(assigned-codes-are-claimed)']],
  [
    'a code that changed hands',
    () => sql`update assignments set user_id = 'eve'`,
    ['assigned-codes-are-claimed'],
  ],
  ['a use too many', () => sql`update assignments set redemption_count = 2`, ['redemptions-within-limit']],
  [
    'a code that was redeemed once too often',
    async () => {
      await useAgain();
      await sql`update assignments set redemption_count = 2`;
    },
    ['redemptions-within-limit'],
  ],
  [
    'a code that was redeemed before its limit was lowered',
    async () => {
      await sql`update coupons set max_redemptions_per_code = 2`;
      await useAgain();
      await sql`update assignments set redemption_count = 2`;
      await sql`update coupons set max_redemptions_per_code = 1`;
    },
    ['(redemptions-within-limit)'],
  ],
  [
    'a use too many, of those as a personal and a public code together',
    async () => {
      await sql`insert into redemptions (code, coupon_name, user_id, ordinal) values ('BOOK1', 'book', 'bob', 1)`;
      await sql`update codes set redemption_count = 1 where code = 'BOOK1'`;
      await sql`update coupons set metadata = '{}'`;
    },
    ['redemptions-within-limit'],
  ],
  [
    'a code that two people have',
    async () => {
      await sql`alter table assignments drop constraint if exists assignments_code_key`;
      await sql`
        with claim as (
          insert into claims (user_id, coupon_name) values ('eve', 'book') returning id
        ),
        given as (
          insert into assignments (claim_id, code, coupon_id, user_id)
          select claim.id, 'BOOK1', coupons.id, 'eve' from claim, coupons
        )
        insert into code_audit (claim_id, code, action, actor, user_id, status_before, status_after)
        select id, 'BOOK1', 'assign', 'user', 'eve', '', 'assigned' from claim`;
    },
    ['codes-are-assigned-once'],
  ],
  ['a use forgotten', () => sql`delete from redemptions`, ['redemptions-within-limit']],
  [
    'a change that is not on record',
    () => sql`update assignments set status = 'assigned'`,
    ['every-change-is-in-the-audit'],
  ],
  ['a code taken away by hand', () => sql`delete from assignments`, ['claims-have-a-code']],
  [
    'a use of a public code that is not recorded',
    () => sql`update codes set redemption_count = 1 where code = 'BOOK2'`,
    ['public-uses-within-limit'],
  ],
  [
    'a person with a use too many',
    async () => {
      await sql`
        insert into redemptions (code, coupon_name, user_id, ordinal)
        values ('BOOK2', 'book', 'bob', 1), ('BOOK3', 'book', 'bob', 2)`;
      await sql`update codes set redemption_count = 1 where code in ('BOOK2', 'BOOK3')`;
    },
    ['public-uses-within-limit-of-person'],
  ],
  [
    'a limit that was lowered after the uses',
    async () => {
      await sql`update coupons set max_redemptions_per_code = 2`;
      await sql`
        insert into redemptions (code, coupon_name, user_id, ordinal)
        values ('BOOK2', 'book', 'bob', 1), ('BOOK2', 'book', 'eve', 1)`;
      await sql`update codes set redemption_count = 2 where code = 'BOOK2'`;
      await sql`update coupons set max_redemptions_per_code = 1`;
    },
    ['(public-uses-within-limit)'],
  ],
  [
    'an order that used a code twice',
    async () => {
      await sql`drop index redemptions_order_id`;
      await sql`update redemptions set order_id = 'o'`;
      await sql`insert into redemptions (claim_id, code, coupon_name, user_id, order_id)
        select claim_id, code, coupon_name, user_id, order_id from redemptions`;
    },
    ['one-code-an-order', 'redemptions-within-limit'],
  ],
])('finds %s', async (_, spoil, expected) => {
  await sql`truncate coupons, claims, code_audit, redemptions cascade`;
  await openBook('book');
  expect(await found()).toEqual([]);
  await spoil();
  expect(await found()).toEqual(expected);
});
