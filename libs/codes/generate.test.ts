import { randomUUID } from 'node:crypto';
import { closePool, openPool, type Sql } from '@claimline/db/pool';
import { createTestDatabase, type TestDatabase } from '@claimline/db/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { resumeRuns, workOnRun } from './generate.ts';
import { beginRun, readRun } from './runs.ts';

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

test('a run that the table refuses has come to its end: nobody carries it on', async () => {
  await sql`insert into coupons (name, amount) values ('book', 1)`;
  const id = randomUUID();
  await beginRun(sql, { id, couponName: 'book', recipe: ['A', ' ', 'BCDE'], quantity: 2 });
  await expect(workOnRun(sql, id)).rejects.toMatchObject({ code: '23514' });
  expect(await readRun(sql, id)).toMatchObject({ status: 'done', created: 0 });
  expect(await resumeRuns(sql)).toBe(0);
});
