import { closePool, openPool, type Sql } from '@claimline/db/pool';
import { createTestDatabase, type TestDatabase } from '@claimline/db/testing';
import type { AppError } from '@claimline/kernel/error';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { assignCode, findPlace } from './assign.ts';
import { readCode } from './list.ts';
import { lockCode, unlockCode } from './lock.ts';
import { redeemCode } from './redeem.ts';
import { codeCheck } from './verify.ts';

const crowd = 50;

let database: TestDatabase;
let sql: Sql;
beforeAll(async () => {
  database = await createTestDatabase();
  sql = openPool({ url: database.url, applicationName: 'test', max: 20 });
});
afterAll(async () => {
  await closePool(sql, 1);
  await database.drop();
});
afterEach(async () => {
  expect(await sql.unsafe(codeCheck.sql, [null])).toEqual([]);
});

let coupons = 0;

/** A coupon with some codes; those of one that is not public are ann's. */
async function insertCodes(quantity: number, fields: Record<string, unknown>): Promise<string[]> {
  const name = `coupon ${coupons++}`;
  const coupon = { name, amount: 1, per_user_limit: 1, ...fields };
  await sql`insert into coupons ${sql(coupon as never)}`;
  const codes = Array.from({ length: quantity }, (_, n) => `CODE-${coupons}-${n}`);
  await sql`insert into codes (code, coupon_name) select code, ${name} from unnest(${codes}::text[]) code`;
  if (!('public' in fields)) for (const [n, code] of codes.entries()) await giveToAnn(name, code, n + 1);
  return codes;
}

/** As the statement that grants leaves it. */
async function giveToAnn(name: string, code: string, ordinal: number) {
  await sql`
    with claim as (
      insert into claims (user_id, coupon_name, ordinal) values ('ann', ${name}, ${ordinal}) returning id
    ), given as (
      insert into assignments (claim_id, code, coupon_id, user_id)
      select claim.id, ${code}, coupons.id, 'ann' from claim, coupons where name = ${name} returning claim_id
    )
    insert into code_audit (claim_id, code, action, actor, user_id, status_before, status_after)
    select claim_id, ${code}, 'assign', 'claim', 'ann', 'available', 'assigned' from given`;
  await sql`update coupons set remaining_amount = remaining_amount - 1 where name = ${name}`;
}

/** Redeems once for each, all at once; counts how they ended. */
async function redeemAtOnce(uses: { code: string; userId: string; orderId?: string }[]) {
  const ended = await Promise.all(
    uses.map(({ code, userId, orderId = null }) =>
      redeemCode(
        sql,
        { code, userId, orderId, session: null, orderValue: null, metadata: undefined },
        caller,
      ).then(
        () => 'ok',
        error => (error as AppError).problem.code,
      ),
    ),
  );
  const counts: Record<string, number> = {};
  for (const end of ended) counts[end] = (counts[end] ?? 0) + 1;
  return counts;
}

const caller = { actor: 'user', address: null, agent: null } as const;

/** One use of a code, by ann unless said otherwise. */
const redeem = (code: string, use: { userId?: string; orderValue?: number } = {}) =>
  redeemCode(
    sql,
    { code, userId: 'ann', session: null, orderId: null, orderValue: null, metadata: undefined, ...use },
    caller,
  );
const lock = (code: string, seconds: number | null = null) =>
  lockCode(sql, { code, userId: 'ann', session: null, seconds, metadata: undefined }, caller);
const refused = (code: string, extra?: unknown) => ({
  problem: { code, ...(extra !== undefined && { extra }) },
});

const times = <Item>(make: (n: number) => Item) => Array.from({ length: crowd }, (_, n) => make(n));

test.each([1, 7, 50])('50 people at once on a public code for %i: exactly so many', async limit => {
  const [code] = (await insertCodes(1, { public: true, max_redemptions_per_code: limit })) as [string];
  const counts = await redeemAtOnce(times(n => ({ code, userId: `person ${n}`, orderId: `${code} ${n}` })));
  expect(counts).toEqual({ ok: limit, ...(limit < crowd && { code_redeemed: crowd - limit }) });
  expect(await sql`select redemption_count from codes where code = ${code}`).toEqual([
    { redemption_count: limit },
  ]);
});

test.each([1, 7])(
  'one person 50 times at once on a public code, %i for each: exactly so many',
  async limit => {
    const fields = { public: true, max_redemptions_per_code: null, per_user_limit: limit };
    const [code] = (await insertCodes(1, fields)) as [string];
    expect(await redeemAtOnce(times(() => ({ code, userId: 'ann' })))).toEqual({
      ok: limit,
      quota_reached: crowd - limit,
    });
  },
);

test('one person 50 times at once over five public codes, three for each: exactly three', async () => {
  const codes = await insertCodes(5, { public: true, max_redemptions_per_code: null, per_user_limit: 3 });
  expect(await redeemAtOnce(times(n => ({ code: codes[n % 5] as string, userId: 'ann' })))).toEqual({
    ok: 3,
    quota_reached: crowd - 3,
  });
});

test('one order 50 times at once over public and personal codes: one use', async () => {
  const codes = [
    ...(await insertCodes(2, { public: true, max_redemptions_per_code: null, per_user_limit: 99 })),
    ...(await insertCodes(2, { max_redemptions_per_code: null, per_user_limit: 2 })),
  ];
  const uses = times(n => ({ code: codes[n % 4] as string, userId: 'ann', orderId: 'one order' }));
  expect(await redeemAtOnce(uses)).toEqual({ ok: 1, order_already_used: crowd - 1 });
});

test.each([1, 7])('a personal code 50 times at once, %i allowed: exactly so many', async limit => {
  const [code] = (await insertCodes(1, { max_redemptions_per_code: limit })) as [string];
  expect(await redeemAtOnce(times(() => ({ code, userId: 'ann' })))).toEqual({
    ok: limit,
    code_redeemed: crowd - limit,
  });
});

test('uses before a coupon was made public count, and after it was made personal again', async () => {
  const [code] = (await insertCodes(1, { max_redemptions_per_code: 3 })) as [string];
  const open = (isPublic: boolean) =>
    sql`update coupons set public = ${isPublic} from codes where name = coupon_name and code = ${code}`;
  expect(await redeemAtOnce([{ code, userId: 'ann' }])).toEqual({ ok: 1 });
  await open(true);
  expect(await redeemAtOnce([{ code, userId: 'bob' }])).toEqual({ ok: 1 });
  await open(false);
  expect(await redeemAtOnce([{ code, userId: 'ann' }])).toEqual({ ok: 1 });
  await open(true);
  expect(await redeemAtOnce([{ code, userId: 'eve' }])).toEqual({ code_redeemed: 1 });
});

test('merchants are told of the use of a public code as of a personal one', async () => {
  await sql`
    insert into webhook_endpoints (id, url, secrets) values ('ep_aaaaaaaaaaaaaaaa', 'https://example.com', '["x"]')`;
  const codes = [
    ...(await insertCodes(1, {})),
    ...(await insertCodes(1, { public: true, max_redemptions_per_code: 5 })),
  ] as [string, string];
  expect(await redeemAtOnce(codes.map(code => ({ code, userId: 'ann', orderId: `told ${code}` })))).toEqual({
    ok: 2,
  });
  const told = await sql<{ subject: string; data: Record<string, unknown> }[]>`
    select subject, data from outbox where type = 'code.redeemed' order by data ->> 'code'`;
  await sql`delete from webhook_endpoints`;
  expect(told.map(({ data }) => [data.code, data.redemption_count, data.final])).toEqual([
    [codes[0], 1, true],
    [codes[1], 1, false],
  ]);
  const ids =
    await sql`select id as subject from coupons join codes on name = coupon_name where code = any (${codes}) order by code`;
  expect(told.map(({ subject }) => ({ subject }))).toEqual(ids.map(row => ({ ...row })));
  expect(Object.keys(told[0]?.data ?? {})).toEqual(Object.keys(told[1]?.data ?? {}));
});

test("a code of a public coupon cannot be locked, and a lock from before is in nobody's way", async () => {
  const [code] = (await insertCodes(1, { max_redemptions_per_code: 3, per_user_limit: 3 })) as [string];
  await lock(code);
  await sql`update coupons set public = true from codes where name = coupon_name and code = ${code}`;
  await expect(lock(code)).rejects.toMatchObject(refused('code_public'));
  expect(await redeem(code, { userId: 'bob' })).toMatchObject({ status: 'assigned', redemption_count: 1 });
});

test('a public code that is used up says since when, and is not given to anybody', async () => {
  const [code] = (await insertCodes(1, { public: true })) as [string];
  const { redeemed_at } = await redeem(code);
  expect(await readCode(sql, code)).toMatchObject({ status: 'redeemed', redeemed_at });
  await expect(redeem(code, { userId: 'bob' })).rejects.toMatchObject(
    refused('code_redeemed', { redeemed_at: redeemed_at.toISOString() }),
  );
  const given = { code, userId: 'bob', ticket: 'tkt', place: await findPlace(sql, code) };
  const grant = () => expect.unreachable();
  await expect(assignCode({ sql, grant }, given, caller)).rejects.toMatchObject(
    refused('code_not_available'),
  );
});

test('an order without a value meets no minimum', async () => {
  const discount = { type: 'fixed', value: 1, minimum_order_value: 1, currency: 'EUR' };
  const codes = [
    ...(await insertCodes(1, { discount: sql.json(discount) })),
    ...(await insertCodes(1, { discount: sql.json(discount), public: true })),
    ...(await insertCodes(1, { discount: sql.json({ ...discount, minimum_order_value: 0 }) })),
  ] as [string, string, string];
  for (const code of codes.slice(0, 2)) {
    await expect(redeem(code)).rejects.toMatchObject(refused('minimum_not_met'));
    expect(await redeem(code, { orderValue: 1 })).toMatchObject({ discount_amount: 1 });
  }
  expect(await redeem(codes[2])).toMatchObject({ discount_amount: null });
});

test('a lock that stands keeps the time it was given, and unlocking what is not locked is no mistake', async () => {
  const [code] = (await insertCodes(1, { lock_ttl_seconds: 300 })) as [string];
  const first = await lock(code, 60);
  expect(await lock(code, 900)).toMatchObject({ locked_until: first.locked_until, seconds: 60 });
  const unlock = () => unlockCode(sql, { code, userId: 'ann', session: null }, caller);
  expect([(await unlock()).status, (await unlock()).status]).toEqual(['assigned', 'assigned']);
  await redeem(code);
  expect((await unlock()).status).toBe('redeemed');
});
