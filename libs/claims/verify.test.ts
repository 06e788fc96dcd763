import { type Check, runChecks } from '@claimline/db/checks';
import type { Sql } from '@claimline/db/pool';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  claimsOf,
  insertCoupon,
  openSettleDatabase,
  people,
  settleClaims,
  settleUsers,
} from './testing-settle.ts';
import { claimChecks } from './verify.ts';

type Database = Awaited<ReturnType<typeof openSettleDatabase>>;

let database: Database;
beforeEach(async () => {
  database = await openSettleDatabase();
});
afterEach(() => database.close());

/** Runs statements as somebody who goes round every trigger and foreign key. */
const behindTheTriggers = (sql: Sql, statements: string) =>
  sql.unsafe(`set session_replication_role = replica; ${statements}; reset session_replication_role`);

/** A sale of 10: five people hold one, one of them two, and three were refused. */
async function holdSale(sql: Sql) {
  const coupon = await insertCoupon(sql, { name: 'sale', amount: 10, per_user_limit: 2 });
  await settleUsers(sql, coupon, ['ada', 'eve', 'kim', 'max', 'zoe', 'ada']);
  await settleUsers(sql, coupon, ['ada']);
  const empty = await insertCoupon(sql, { name: 'empty', amount: 1 });
  await settleUsers(sql, empty, ['eve', 'ada', 'kim']);
  return coupon;
}

/** What is violated and noted, each with how often. */
async function verify(coupon: string | null = null) {
  const verdicts = await runChecks(database.url, claimChecks, { coupon });
  const counts = (of: 'violations' | 'notes') =>
    Object.fromEntries(verdicts.filter(one => one[of] > 0).map(one => [one.name, one[of]]));
  return { violated: counts('violations'), noted: counts('notes'), verdicts };
}

type Corruption = {
  what: string;
  by: string;
  /** Goes through the triggers, as somebody at psql does. */
  byHand?: true;
  violated?: Record<string, number>;
  noted?: Record<string, number>;
};

const one = 1;
const corruptions: Corruption[] = [
  {
    what: 'a claim of a coupon that is gone',
    by: `delete from coupons where name = 'empty'`,
    violated: { 'claims-have-a-coupon': one },
  },
  {
    what: 'more claims than the amount',
    by: `update coupons set amount = 5, remaining_amount = 0 where name = 'sale'`,
    violated: { 'grants-within-amount': one, 'remaining-is-what-is-left': one },
  },
  {
    what: 'a claimed unit that is for sale again',
    by: `update coupons set remaining_amount = remaining_amount + 1 where name = 'sale'`,
    violated: { 'remaining-is-what-is-left': one },
  },
  {
    what: 'a unit that is neither claimed nor for sale',
    by: `update coupons set remaining_amount = remaining_amount - 1 where name = 'sale'`,
    violated: { 'remaining-is-what-is-left': one },
  },
  {
    what: 'a claimed_count that counts wrong',
    by: `update coupons set claimed_count = claimed_count + 1 where name = 'sale'`,
    violated: { 'claimed-count-is-the-rows': one },
  },
  {
    what: 'a claim that vanished',
    by: `delete from claims where coupon_name = 'sale' and sequence = 3`,
    violated: { 'claimed-count-is-the-rows': one, 'sequence-is-contiguous': one },
    noted: { 'remaining-is-what-is-left': one },
  },
  {
    what: 'a number that was skipped',
    by: `update claims set sequence = 60 where coupon_name = 'sale' and sequence = 6`,
    violated: { 'sequence-is-contiguous': one },
  },
  {
    what: 'one number twice',
    by: `alter table claims drop constraint claims_coupon_name_sequence_key;
      update claims set sequence = 5 where coupon_name = 'sale' and sequence = 6`,
    violated: { 'sequence-is-contiguous': one },
  },
  {
    what: 'two claims of one person and ordinal',
    by: `alter table claims drop constraint claims_user_id_coupon_name_ordinal_key;
      update claims set ordinal = 1 where coupon_name = 'sale' and user_id = 'ada'`,
    violated: { 'one-grant-per-person-and-ordinal': one },
  },
  {
    what: 'an ordinal that was skipped',
    by: `update claims set ordinal = 3 where coupon_name = 'sale' and ordinal = 2`,
    violated: { 'ordinals-are-contiguous': one },
  },
  {
    what: 'a person with more than the limit, which nobody lowered',
    by: `update coupons set per_user_limit = 1 where name = 'sale'`,
    violated: { 'person-within-limit': one },
  },
  {
    what: 'a ticket granted twice',
    by: `alter table claims drop constraint claims_ticket_key; update claims set ticket = 'twice' where user_id = 'ada'`,
    violated: { 'tickets-are-decided-once': one },
  },
  {
    what: 'tickets granted and refused',
    by: `insert into refusals (ticket, coupon_id, coupon_name, user_id, reason)
      select ticket, coupons.id, coupon_name, user_id, 'sold_out' from claims join coupons on name = coupon_name
      where coupon_name = 'sale' and sequence <= 2`,
    violated: { 'tickets-are-decided-once': 2 },
  },
  {
    what: 'a ticket that failed before it was granted',
    by: `insert into refusals (ticket, coupon_id, coupon_name, user_id, reason)
      select ticket, coupons.id, coupon_name, user_id, 'failed' from claims join coupons on name = coupon_name`,
  },
  {
    what: 'a claim granted while paused',
    by: `update coupons set status = 'paused' where name = 'sale'`,
    violated: { 'granted-while-open': 6 },
  },
  {
    what: 'claims granted after the end, and before the start',
    by: `update coupons set ends_at = created_at where name = 'sale';
      update coupons set starts_at = now() + interval '1 hour' where name = 'empty'`,
    violated: { 'granted-while-open': 7 },
  },
  {
    what: 'decisions in the future',
    by: `update claims set created_at = now() + interval '1 hour' where sequence = 2;
      update refusals set decided_at = now() + interval '1 hour' where user_id = 'kim';
      update coupons set updated_at = now() + interval '1 hour' where name = 'empty'`,
    violated: { 'times-are-possible': 3 },
  },
  {
    what: 'a claim older than its coupon',
    by: `update claims set created_at = now() - interval '1 day' where sequence = 2`,
    violated: { 'times-are-possible': one },
  },
  {
    what: 'a refusal for no reason that we know',
    by: `update refusals set reason = 'bad luck' where user_id = 'kim'`,
    violated: { 'refusals-have-a-reason': one },
  },
  {
    what: 'a claim deleted by hand',
    byHand: true,
    by: `delete from claims where coupon_name = 'sale' and user_id = 'kim'`,
    noted: { 'remaining-is-what-is-left': one, 'sequence-is-contiguous': one },
  },
  {
    what: 'the first of two claims deleted by hand, and its unit put back',
    byHand: true,
    by: `delete from claims where coupon_name = 'sale' and user_id = 'ada' and ordinal = 1;
      update coupons set remaining_amount = remaining_amount + 1 where name = 'sale'`,
    noted: { 'sequence-is-contiguous': one, 'ordinals-are-contiguous': one },
  },
  {
    what: 'a claim inserted by hand, which took no unit',
    byHand: true,
    by: `insert into claims (user_id, coupon_name) values ('new', 'sale')`,
    violated: { 'remaining-is-what-is-left': one },
  },
  {
    what: 'a claim beyond the limit, inserted by hand, and its unit taken from the stock',
    byHand: true,
    by: `insert into claims (user_id, coupon_name, ordinal) values ('ada', 'sale', 3);
      update coupons set remaining_amount = remaining_amount - 1 where name = 'sale'`,
    noted: { 'person-within-limit': one },
  },
  {
    what: 'a limit lowered after the grants, and a sale paused',
    byHand: true,
    by: `update coupons set per_user_limit = 1, status = 'paused' where name = 'sale'`,
    noted: { 'person-within-limit': one },
  },
  {
    what: 'stock raised as it should be',
    byHand: true,
    by: `update coupons set amount = amount + 5, remaining_amount = remaining_amount + 5`,
  },
  { what: 'a coupon deleted with its claims', byHand: true, by: `delete from coupons where name = 'sale'` },
];

describe('the tables', () => {
  test('a sale that nobody touched has neither violations nor notes', async () => {
    await holdSale(database.sql);
    expect(await verify()).toMatchObject({ violated: {}, noted: {} });
  });

  test.each(corruptions)('$what', async ({ by, byHand, violated = {}, noted = {} }) => {
    await holdSale(database.sql);
    await (byHand ? database.sql.unsafe(by) : behindTheTriggers(database.sql, by));
    const found = await verify();
    expect(found).toMatchObject({ violated, noted });
    expect(Object.keys(found.violated)).toEqual(Object.keys(violated));
    expect(Object.keys(found.noted)).toEqual(Object.keys(noted));
    for (const { violations, rows } of found.verdicts) expect(rows).toHaveLength(violations);
  });

  test('a lower limit does not excuse who was granted more after it, nor does any other change', async () => {
    const coupon = await holdSale(database.sql);
    await database.sql`update coupons set per_user_limit = 1 where name = 'sale'`;
    await behindTheTriggers(database.sql, `update coupons set per_user_limit = 2 where name = 'sale'`);
    await settleClaims(database.sql, coupon, claimsOf(['eve']));
    await behindTheTriggers(database.sql, `update coupons set per_user_limit = 1 where name = 'sale'`);
    await database.sql`update coupons set status = 'ended', amount = 20, remaining_amount = 13 where name = 'sale'`;
    // Ada had two before the change, eve got her second after it.
    expect(await verify()).toMatchObject({
      violated: { 'person-within-limit': 1 },
      noted: { 'person-within-limit': 1 },
    });
  });

  test('one coupon alone, and 20 rows of many', async () => {
    await holdSale(database.sql);
    const other = await insertCoupon(database.sql, { name: 'other', amount: 50 });
    await settleUsers(database.sql, other, people(30));
    await behindTheTriggers(database.sql, `update claims set ordinal = 2 where coupon_name = 'other'`);
    expect((await verify('sale')).violated).toEqual({});
    const { violated, verdicts } = await verify('other');
    expect(violated).toEqual({ 'ordinals-are-contiguous': 30 });
    expect(verdicts.find(found => found.name === 'ordinals-are-contiguous')?.rows).toHaveLength(20);
  });
});

describe('while a sale goes on', () => {
  test('verified again and again, nothing is found', { timeout: 60_000 }, async () => {
    const coupons = await Promise.all(
      ['one', 'two', 'three'].map(name =>
        insertCoupon(database.sql, { name, amount: 2000, per_user_limit: 2 }),
      ),
    );
    let isOver = false;
    let settled = 0;
    const lanes = coupons.map(async (coupon, lane) => {
      while (!isOver) {
        await settleUsers(database.sql, coupon, people(20, `${lane} ${settled % 50}`));
        settled++;
      }
    });
    const changes = (async () => {
      while (!isOver)
        await database.sql`update coupons set amount = amount + 1, remaining_amount = remaining_amount + 1`;
    })();
    for (let run = 0; run < 12; run++) {
      const before = settled;
      expect(await verify()).toMatchObject({ violated: {}, noted: {} });
      await expect.poll(() => settled).toBeGreaterThan(before + 3);
    }
    isOver = true;
    await Promise.all([...lanes, changes]);
    expect(await verify()).toMatchObject({ violated: {}, noted: {} });
  });
});

test('a check that finds what it does not list is a mistake, and says so', async () => {
  const check: Check = {
    invariants: { listed: 'a title' },
    sql: `select 'other', false, '{}'::jsonb where $1::text is null`,
  };
  await expect(runChecks(database.url, [check])).rejects.toThrow('"other"');
});
