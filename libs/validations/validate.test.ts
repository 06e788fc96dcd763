import { lockCode, redeemCode } from '@claimline/codes';
import type { Sql } from '@claimline/db/pool';
import { metrics } from '@claimline/telemetry/metrics';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { insertCode, judgeOne, openValidationDatabase } from './testing.ts';
import { createValidator, judge, validationLimits } from './validate.ts';

let database: Awaited<ReturnType<typeof openValidationDatabase>>;
let sql: Sql;
beforeAll(async () => {
  database = await openValidationDatabase();
  sql = database.sql;
});
afterAll(() => database.close());

const caller = { actor: 'user', address: null, agent: null } as const;
const past = new Date(Date.now() - 86_400_000);
const future = new Date(Date.now() + 86_400_000);
const tenPercent = { type: 'percentage', value: 10, currency: 'EUR' };

const redeem = (code: string, userId: string, orderId: string | null = null) =>
  redeemCode(sql, { code, userId, session: null, orderId, orderValue: 1000, metadata: undefined }, caller);
const lock = (code: string, session: string | null, seconds: number | null = null) =>
  lockCode(sql, { code, userId: 'ann', session, seconds, metadata: undefined }, caller);
const change = (code: string, fields: Record<string, unknown>) =>
  sql`update coupons set ${sql(fields as Record<string, string>)} from codes where name = coupon_name and code = ${code}`;
const reasonOf = async (asked: Parameters<typeof judgeOne>[1]) =>
  (await judgeOne(database.validateSql, asked)).reason;

test('a code that nobody stored is not found', async () => {
  expect(await judgeOne(database.validateSql, { code: 'NONE' })).toEqual({
    reason: 'code_not_found',
    coupon_name: null,
    coupon_id: null,
    discount_amount: null,
  });
});

/** A code, what is done before ann asks with order "o 1" over 1,000, and the reason. */
const personal: [string, Record<string, unknown>, (code: string) => Promise<unknown>, string | null][] = [
  ['hers', {}, async () => {}, null],
  ['paused', { status: 'paused' }, async () => {}, 'coupon_inactive'],
  ['ended', { status: 'ended' }, async () => {}, 'coupon_inactive'],
  ['not started', { starts_at: future }, async () => {}, 'not_started'],
  ['over', { ends_at: past }, async () => {}, 'expired'],
  ['within its window', { starts_at: past, ends_at: future }, async () => {}, null],
  [
    'below the minimum',
    { discount: { ...tenPercent, minimum_order_value: 1001 } },
    async () => {},
    'minimum_not_met',
  ],
  ['at the minimum', { discount: { ...tenPercent, minimum_order_value: 1000 } }, async () => {}, null],
  ['used', {}, code => redeem(code, 'ann'), 'already_used'],
  ['used once of three times', { max_redemptions_per_code: 3 }, code => redeem(code, 'ann'), null],
  [
    'used three times of three',
    { max_redemptions_per_code: 3 },
    async code => {
      for (let n = 0; n < 3; n++) await redeem(code, 'ann');
    },
    'already_used',
  ],
  ['used, without limit', { max_redemptions_per_code: null }, code => redeem(code, 'ann'), null],
  ['locked by herself', {}, code => lock(code, null), null],
  ['locked by her session', {}, code => lock(code, 'cart'), null],
  ['locked by another session of hers', {}, code => lock(code, 'another'), 'locked'],
  [
    'locked until a moment ago',
    {},
    async code => {
      await lock(code, 'another');
      await sql`update assignments set locked_until = now() where code = ${code}`;
    },
    null,
  ],
  [
    'given to somebody else',
    {},
    code => sql`update assignments set user_id = 'bob' where code = ${code}`,
    'not_assigned_to_user',
  ],
  ["still nobody's", {}, code => sql`delete from assignments where code = ${code}`, 'not_assigned_to_user'],
  ['gone', {}, code => sql`delete from codes where code = ${code}`, 'code_not_found'],
];

test.each(personal)('a personal code that is %s', async (title, fields, prepare, reason) => {
  const code = await insertCode(sql, fields);
  await prepare(code);
  const session = title.includes('her session') ? 'cart' : null;
  expect(await reasonOf({ code, session })).toBe(reason);
});

/** As above, for a code of a public coupon; bob is somebody else. */
const open: [string, Record<string, unknown>, (code: string) => Promise<unknown>, string | null][] = [
  ['new', {}, async () => {}, null],
  ['used by somebody, once of once', {}, code => redeem(code, 'bob'), 'exhausted'],
  ['used by somebody, once of twice', { max_redemptions_per_code: 2 }, code => redeem(code, 'bob'), null],
  [
    'used by her, once of twice',
    { max_redemptions_per_code: 2 },
    code => redeem(code, 'ann'),
    'user_limit_reached',
  ],
  [
    'used by her, where each may twice',
    { max_redemptions_per_code: null, per_user_limit: 2 },
    code => redeem(code, 'ann'),
    null,
  ],
  [
    'used by her twice, where each may twice',
    { max_redemptions_per_code: null, per_user_limit: 2 },
    async code => {
      for (let n = 0; n < 2; n++) await redeem(code, 'ann');
    },
    'user_limit_reached',
  ],
  ['over', { ends_at: past }, async () => {}, 'expired'],
];

test.each(open)('a public code that is %s', async (_, fields, prepare, reason) => {
  const code = await insertCode(sql, { public: true, ...fields }, null);
  await prepare(code);
  expect(await reasonOf({ code })).toBe(reason);
});

test("a person's limit holds over all public codes of the coupon", async () => {
  const code = await insertCode(sql, { public: true, max_redemptions_per_code: null }, null);
  await sql`insert into codes (code, coupon_name) select code || '-2', coupon_name from codes where code = ${code}`;
  await redeem(code, 'ann');
  expect(await reasonOf({ code: `${code}-2` })).toBe('user_limit_reached');
  expect(await reasonOf({ code: `${code}-2`, userId: 'bob' })).toBe(null);
});

test('an order that has used a code uses no other, nor the same again', async () => {
  const used = await insertCode(sql, { max_redemptions_per_code: 9 });
  await redeem(used, 'ann', 'order 1');
  const other = await insertCode(sql, { public: true }, null);
  for (const code of [used, other]) {
    expect(await reasonOf({ code, orderId: 'order 1' })).toBe('order_already_used');
    expect(await reasonOf({ code, orderId: 'order 2' })).toBe(null);
  }
});

test('the reason is the first that applies: personal', async () => {
  const minimum = { discount: { ...tenPercent, minimum_order_value: 1001 } };
  const code = await insertCode(sql, { max_redemptions_per_code: 2, ...minimum });
  const orderId = 'order in line';
  await change(code, { discount: null });
  await redeem(code, 'ann', orderId);
  await redeem(await insertCode(sql), 'ann');
  await lock(code, 'another');
  await change(code, {
    ...minimum,
    status: 'paused',
    starts_at: future,
    ends_at: null,
    max_redemptions_per_code: 1,
  });
  const repairs: [string, (() => PromiseLike<unknown>) | null, Parameters<typeof judgeOne>[1]][] = [
    ['code_not_found', null, { code: 'NONE' }],
    ['coupon_inactive', () => change(code, { status: 'active' }), { code, userId: 'bob', orderId }],
    ['not_started', () => change(code, { starts_at: null, ends_at: past }), { code, userId: 'bob', orderId }],
    ['expired', () => change(code, { ends_at: null }), { code, userId: 'bob', orderId }],
    ['minimum_not_met', () => change(code, { discount: null }), { code, userId: 'bob', orderId }],
    ['order_already_used', null, { code, userId: 'bob', orderId }],
    ['not_assigned_to_user', null, { code, userId: 'bob' }],
    ['already_used', () => change(code, { max_redemptions_per_code: 2 }), { code }],
    [
      'locked',
      () => sql`update assignments set status = 'assigned', locked_until = null where code = ${code}`,
      { code },
    ],
  ];
  for (const [reason, repair, asked] of repairs) {
    expect(await reasonOf(asked)).toBe(reason);
    await repair?.();
  }
  expect(await reasonOf({ code })).toBe(null);
});

test('the reason is the first that applies: public', async () => {
  const minimum = { discount: { ...tenPercent, minimum_order_value: 1001 } };
  const code = await insertCode(sql, { public: true }, null);
  const orderId = 'public order in line';
  await redeem(code, 'ann', orderId);
  await change(code, { ...minimum, ends_at: past });
  const repairs: [string, () => PromiseLike<unknown>][] = [
    ['expired', () => change(code, { ends_at: null })],
    ['exhausted', () => change(code, { max_redemptions_per_code: 2 })],
    ['minimum_not_met', () => change(code, { discount: null })],
  ];
  for (const [reason, repair] of repairs) {
    expect(await reasonOf({ code, orderId })).toBe(reason);
    await repair();
  }
  expect(await reasonOf({ code, orderId })).toBe('order_already_used');
  expect(await reasonOf({ code })).toBe('user_limit_reached');
  expect(await reasonOf({ code, userId: 'bob' })).toBe(null);
});

test('whoever asks at once is answered in order, each with their own verdict', async () => {
  const validate = createValidator(database.validateSql);
  const discount = { type: 'fixed', value: 100, currency: 'EUR' };
  const codes = [await insertCode(sql, { discount }), await insertCode(sql, {}, 'bob'), 'NONE'];
  const asked = Array.from({ length: 700 }, (_, n) => ({
    code: codes[n % 3] as string,
    userId: 'ann',
    orderValue: n,
    orderId: n % 2 ? `order at once ${n}` : null,
    session: null,
  }));
  const verdicts = await Promise.all(asked.map(validate));
  expect(verdicts.map(({ reason, discount_amount }) => discount_amount ?? reason)).toEqual(
    asked.map(
      ({ orderValue }, n) => [Math.min(100, orderValue), 'not_assigned_to_user', 'code_not_found'][n % 3],
    ),
  );
});

test('a database that does not answer is said to be away to all who wait, and asked again', async () => {
  const code = await insertCode(sql);
  const asked = { code, userId: 'ann', orderValue: 1, orderId: null, session: null };
  const blocking = await sql.reserve();
  await blocking`begin`;
  await blocking`lock table codes`;
  const statementsBefore = await countStatements();
  const validate = createValidator(database.validateSql, { answerMs: 1000 });
  const crowd = Array.from({ length: 5 * validationLimits.seats }, () => validate(asked));
  const refusals = (await Promise.allSettled(crowd)).map(one => one.status === 'rejected' && one.reason);
  for (const refusal of refusals)
    expect(refusal).toMatchObject({ problem: { code: 'unavailable', retryAfterSeconds: 1 } });
  await blocking`rollback`;
  blocking.release();
  expect(await validate(asked)).toMatchObject({ reason: null });
  // The first of the crowd, and the last one: nobody waited for a second deadline.
  expect((await countStatements()) - statementsBefore).toBe(2);
});

async function countStatements(): Promise<number> {
  const { values } = await metrics.validationLookups.get();
  return values.find(one => one.metricName?.endsWith('_count'))?.value ?? 0;
}

test('more than may wait are told to come again', async () => {
  const validate = createValidator(database.validateSql);
  const asked = { code: 'NONE', userId: 'ann', orderValue: 1, orderId: null, session: null };
  const crowd = Array.from({ length: validationLimits.waitingMost + 1 }, () => validate(asked));
  await expect(crowd.pop()).rejects.toMatchObject({
    problem: { code: 'overloaded', retryAfterSeconds: 1 },
  });
  expect(new Set((await Promise.all(crowd)).map(({ reason }) => reason))).toEqual(
    new Set(['code_not_found']),
  );
});

test('nothing is used by asking', async () => {
  const code = await insertCode(sql, { public: true }, null);
  const tables = () => sql`
    select (select count(*) from redemptions), (select count(*) from code_audit),
      (select redemption_count from codes where code = ${code})`;
  const before = await tables();
  for (let n = 0; n < 5; n++)
    await judge(database.validateSql, [{ code, userId: 'ann', orderValue: 1, orderId: 'o', session: null }]);
  expect(await tables()).toEqual(before);
});
