import { closePool, openPool, type Sql } from '@claimline/db/pool';
import { createTestDatabase, type TestDatabase } from '@claimline/db/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { pruneIdempotencyKeys, rowLimits } from './idempotency-rows.ts';

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

test('keys are kept for 24 hours and then deleted, more than a bite of them too', async () => {
  const insert = (count: number, prefix: string, hours: number) => sql`
    insert into idempotency_keys (caller, route, key, fingerprint, status, headers, body, created_at)
    select '', 'createCoupon', ${prefix} || n, '\\x00', 201, '{}', '', now() - ${hours} * interval '1 hour'
    from generate_series(1, ${count}::int) n`;
  await insert(rowLimits.bite + 1, 'old', 24.01);
  await insert(3, 'young', 23.99);
  expect(await pruneIdempotencyKeys(sql)).toBe(rowLimits.bite + 1);
  expect(await sql`select key from idempotency_keys order by key`).toEqual([
    { key: 'young1' },
    { key: 'young2' },
    { key: 'young3' },
  ]);
  expect(await pruneIdempotencyKeys(sql)).toBe(0);
});
