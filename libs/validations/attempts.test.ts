import { randomUUID } from 'node:crypto';
import { closePool, openPool, type Sql } from '@claimline/db/pool';
import { createTestDatabase, type TestDatabase } from '@claimline/db/testing';
import { type Explained, nodesOf, type PlanNode } from '@claimline/db/testing-plan';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Attempt, reasons } from './attempt.ts';
import { readAttemptStats } from './attempt-stats.ts';
import { listAttempts } from './list-attempts.ts';
import { pruneLimits, pruneValidations } from './prune-attempts.ts';
import { validationCheck } from './verify.ts';
import { toBatch, writeBatch } from './write-batch.ts';

let database: TestDatabase;
let sql: Sql;
let ids: Record<string, string>;
beforeAll(async () => {
  database = await createTestDatabase();
  sql = openPool({ url: database.url, applicationName: 'test' });
  const rows = await sql<{ id: string; name: string }[]>`
    insert into coupons (name, amount) values ('a', 1), ('b', 1), ('quiet', 1) returning id, name`;
  ids = Object.fromEntries(rows.map(({ id, name }) => [name, id]));
});
afterAll(async () => {
  await closePool(sql, 1);
  await database.drop();
});

const DAY_MS = 86_400_000;
/** Rows of a page. */
const limit = 100;
/** In the middle of many rows. */
const somewhere = 10_000;

function attempt(n: number, coupon: string | null, changes: Partial<Attempt> = {}): Attempt {
  const coupon_id = coupon === null ? null : (ids[coupon] as string);
  return {
    ...{ code: `C${n}`, user_id: `user-${n % 3}`, order_id: null, order_value: n },
    ...{ valid: true, reason: null, discount_amount: 0, final_amount: n },
    ...{ coupon_id, coupon_name: coupon, address: null, agent: null, response_ms: 1, at: Date.now() },
    ...changes,
  };
}

const write = (attempts: Attempt[]) => writeBatch(sql, toBatch(randomUUID(), 1, attempts));
const violations = () =>
  sql.unsafe<{ is_note: boolean }[]>(
    `select is_note from (${validationCheck.sql}) as found (invariant, is_note, found)`,
    [null],
  );

test('lists the last first, by coupon, by person, by both, and page by page', async () => {
  await write(Array.from({ length: 12 }, (_, n) => attempt(n, n % 2 ? 'a' : 'b')));
  const list = async (query: Partial<Parameters<typeof listAttempts>[1]>) =>
    (
      await listAttempts(sql, {
        couponName: undefined,
        userId: undefined,
        limit: 100,
        before: null,
        ...query,
      })
    ).map(row => row.order_value);
  expect(await list({})).toEqual([11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
  expect(await list({ couponName: 'a' })).toEqual([11, 9, 7, 5, 3, 1]);
  expect(await list({ userId: 'user-1' })).toEqual([10, 7, 4, 1]);
  expect(await list({ couponName: 'a', userId: 'user-1' })).toEqual([7, 1]);
  expect(await list({ userId: 'nobody' })).toEqual([]);
  const page = await listAttempts(sql, { couponName: 'a', userId: undefined, limit: 2, before: null });
  expect(page.map(row => row.order_value)).toEqual([11, 9, 7]);
  const before = page[1]?.id as number;
  expect(await list({ couponName: 'a', before })).toEqual([7, 5, 3, 1]);
  await expect(list({ couponName: 'nowhere' })).rejects.toThrow('coupon not found');
});

test('statistics by reason and time, of a coupon that has some, and of one that has none', async () => {
  await sql`truncate validations, validation_counts`;
  const times = Array.from({ length: 1000 }, (_, n) => (n + 1) / 10); // 0.1 to 100 ms
  await write(times.map((response_ms, n) => attempt(n, 'a', { response_ms })));
  const refused = { valid: false, discount_amount: null, final_amount: null, response_ms: 0.05 };
  await write([
    attempt(1, 'a', { ...refused, reason: 'expired' }),
    attempt(2, 'a', { ...refused, reason: 'expired' }),
    attempt(3, 'a', { ...refused, reason: 'locked' }),
    attempt(4, null, { ...refused, reason: 'code_not_found' }),
  ]);
  const stats = await readAttemptStats(sql, 'a');
  const none = Object.fromEntries(reasons.map(reason => [reason, 0]));
  expect(stats).toMatchObject({ attempts: 1003, valid: 1000, invalid: 3 });
  expect(stats.by_reason).toEqual({ ...none, expired: 2, locked: 1 });
  expect(stats.response_ms).toMatchObject({ min: 0.05, max: 100, avg: 49.9 });
  expectAbout(stats.response_ms.p95, 95);
  expect(await readAttemptStats(sql, 'quiet')).toEqual({
    ...{ attempts: 0, valid: 0, invalid: 0, by_reason: none },
    response_ms: { avg: null, min: null, max: null, p95: null },
  });
  await expect(readAttemptStats(sql, 'nowhere')).rejects.toThrow('coupon not found');
  expect(await violations()).toEqual([]);
});

/** p95 may be off by a fifth. */
function expectAbout(p95: number | null, right: number) {
  expect(p95).toBeGreaterThan(right / 1.2);
  expect(p95).toBeLessThan(right * 1.2);
}

test.each([
  [96, 1.03, 4, 10],
  [96, 1.44, 4, 10],
  [9, 1.03, 91, 10],
])('p95 of %i times %d ms and %i times %d ms', async (many, ms, others, otherMs) => {
  await sql`truncate validations, validation_counts`;
  const times = [...Array<number>(many).fill(ms), ...Array<number>(others).fill(otherMs)];
  await write(times.map((response_ms, n) => attempt(n, 'a', { response_ms })));
  expectAbout((await readAttemptStats(sql, 'a')).response_ms.p95, many > others ? ms : otherMs);
});

test('removes what is older than the days, in bites, and counters stay', async () => {
  await sql`truncate validations, validation_counts`;
  const old = Date.now() - 8 * DAY_MS;
  const many = pruneLimits.bite + 10;
  await write(Array.from({ length: many }, (_, n) => attempt(n, n % 2 ? 'a' : 'b', { at: old })));
  await write(Array.from({ length: 20 }, (_, n) => attempt(n, 'a')));
  expect(await pruneValidations(sql, 9)).toBe(0);
  expect(await pruneValidations(sql, 7)).toBe(many);
  expect(await pruneValidations(sql, 7)).toBe(0);
  expect(await sql`select count(*)::int as n from validations`).toEqual([{ n: 20 }]);
  expect((await readAttemptStats(sql, 'a')).attempts).toBe(many / 2 + 20);
  expect(await violations()).toEqual([]);
  await sql`delete from validations where id = (select max(id) from validations)`;
  expect(await violations()).toEqual([{ is_note: true }]);
  await sql`update validation_counts set attempts = attempts - 2 where coupon_id = ${ids.a as string}`;
  expect(await violations()).toEqual([{ is_note: false }]);
});

test('lists and statistics go by an index, however many rows there are', async () => {
  await sql`truncate validations, validation_counts`;
  await sql`
    insert into validations (created_at, order_value, response_us, coupon_id, code, user_id)
    select now(), 1, 1, (array[${ids.a as string}::uuid, ${ids.b as string}::uuid])[n % 2 + 1], 'C', 'user-' || n % 1000
    from generate_series(1, 20000) n`;
  await sql`
    insert into validation_counts (coupon_id, bucket, reason, min_us, max_us, total_us, attempts)
    select gen_random_uuid(), 1, '', 1, 1, 1, 1 from generate_series(1, 5000)`;
  await sql`analyze validations, validation_counts`;
  const asking = openPool({ url: database.url, applicationName: 'test', max: 1 });
  const list = (couponName?: string, userId?: string, before: number | null = null) =>
    listAttempts(asking, { couponName, userId, limit, before });
  const calls: [index: string, call: () => Promise<unknown>][] = [
    ['validations_by_coupon', () => list('a')],
    ['validations_by_coupon', () => list('a', undefined, somewhere)],
    ['validations_by_user', () => list(undefined, 'user-1')],
    ['validations_by_user', () => list(undefined, 'user-1', somewhere)],
    ['validations_by_user', () => list('a', 'user-1')],
    ['validations_pkey', () => list()],
    ['validations_pkey', () => list(undefined, undefined, somewhere)],
    ['validation_counts_pkey', () => readAttemptStats(asking, 'a')],
  ];
  for (const [index, call] of calls) {
    await call();
    const nodes = await explainLast(asking);
    expect(nodes.map(node => node['Index Name'])).toContain(index);
    expect(nodes.map(node => node['Node Type'])).not.toContain('Seq Scan');
  }
  await closePool(asking, 1);
});

/** The plan of the statement that a session of one connection prepared last, with arguments by their types. */
async function explainLast(asking: Sql): Promise<PlanNode[]> {
  const [prepared] = await asking.unsafe<{ name: string; types: string[] }[]>(`
    select name, parameter_types::text[] as types from pg_prepared_statements
    where statement like '%from validation%' order by prepare_time desc limit 1`);
  const numbers = prepared?.types.filter(type => type === 'bigint').length === 2 ? [somewhere] : [];
  const args = prepared?.types.map(type => {
    if (type === 'bigint') return numbers.pop() ?? limit + 1;
    return type === 'uuid' ? `'${ids.a}'` : "'user-1'";
  });
  const given = args?.length ? `(${args.join(', ')})` : '';
  const [row] = await asking.unsafe<Explained[]>(`explain (format json) execute "${prepared?.name}"${given}`);
  return nodesOf(row);
}
