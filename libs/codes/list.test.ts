import { closePool, openPool, type Sql } from '@claimline/db/pool';
import { createTestDatabase, type TestDatabase } from '@claimline/db/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { CodeStatus } from './code.ts';
import { listAudit, listCodes, listLimits } from './list.ts';

/** Two stretches and a half. */
const stored = 2.5 * listLimits.seenMost;

let database: TestDatabase;
let sql: Sql;
beforeAll(async () => {
  database = await createTestDatabase();
  // Without triggers, whose checks would be most of the time.
  const settings = { session_replication_role: 'replica', statement_timeout: '60000' };
  sql = openPool({ url: database.url, applicationName: 'test', max: 1, settings });
  await sql`
    insert into coupons (name, amount, remaining_amount, has_book) values ('book', ${stored}, ${stored}, true)`;
  await sql`
    insert into codes (code, coupon_name, random_key)
    select 'CODE-' || lpad(n::text, 6, '0'), 'book', n from generate_series(1, ${stored}::int) n`;
  await sql`
    insert into assignments (claim_id, code, coupon_id, user_id, status)
    select row_number() over (), code, id, 'ann', 'redeemed' from codes, coupons
    where code in ('CODE-000002', 'CODE-040000', 'CODE-040001', 'CODE-050000')`;
});
afterAll(async () => {
  await closePool(sql, 1);
  await database.drop();
});

/** The pages of a list, each as its codes. */
async function pagesOf(status: CodeStatus, limit: number) {
  const pages: string[][] = [];
  for (let after: string | null = null; ; ) {
    const { rows, seenTo } = await listCodes(sql, { couponName: 'book', status, limit, after });
    pages.push(rows.slice(0, limit).map(({ code }) => code));
    after = rows.length > limit ? (rows[limit - 1]?.code ?? null) : seenTo;
    if (after === null) return pages;
  }
}

test('a page is looked for in a stretch of the book, and none is passed over', async () => {
  expect(await pagesOf('redeemed', 10)).toEqual([
    ['CODE-000002'],
    ['CODE-040000'],
    ['CODE-040001', 'CODE-050000'],
  ]);
  expect(await pagesOf('redeemed', 1)).toEqual([
    ['CODE-000002'],
    ['CODE-040000'],
    ['CODE-040001'],
    ['CODE-050000'],
  ]);
  const available = await pagesOf('available', 1000);
  expect(new Set(available.flat()).size).toBe(stored - 4);
  await expect(
    listCodes(sql, { couponName: 'none', status: undefined, limit: 1, after: null }),
  ).rejects.toMatchObject({
    problem: { code: 'coupon_not_found' },
  });
});

test('the changes of a code are in order, its own and the uses of everybody', async () => {
  const code = 'CODE-000002';
  const [{ claim_id }] = (await sql`select claim_id from assignments where code = ${code}`) as unknown as [
    { claim_id: number },
  ];
  await sql`
    insert into code_audit (claim_id, code, action, actor, user_id, status_before, status_after)
    select case when n % 3 = 0 then ${claim_id}::bigint else 0 end, ${code}, 'redeem', 'user', 'person ' || n, '', ''
    from generate_series(1, 9) n`;
  const people: string[] = [];
  for (let after: number | null = null; ; ) {
    const rows = await listAudit(sql, { code, limit: 2, after });
    people.push(...rows.slice(0, 2).map(({ user_id }) => user_id));
    if (rows.length <= 2) break;
    after = rows[1]?.id ?? null;
  }
  expect(people).toEqual(Array.from({ length: 9 }, (_, n) => `person ${n + 1}`));
});
