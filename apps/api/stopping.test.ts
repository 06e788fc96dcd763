import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { json } from 'node:stream/consumers';
import { openPool, type Sql } from '@claimline/db/pool';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { awaitUntil } from '../system-tests/await-until.ts';
import { createProcessDatabase, type Process, startProcess } from '../testing.ts';

let database: Awaited<ReturnType<typeof createProcessDatabase>>;
let sql: Sql;
beforeAll(async () => {
  database = await createProcessDatabase();
  sql = openPool({ url: database.url, applicationName: 'test stopping', max: 2 });
  await sql`insert into coupons (name, amount) values ('sent', 1), ('made', 1)`;
});
afterAll(async () => {
  await sql.end({ timeout: 1 });
  await database.drop();
});

/** Begins a request to an API of its own; `headers` and a first part of the body are sent. */
async function begin(path: string, type: string, body: string) {
  const api = startProcess('api', { DATABASE_URL: database.url, PORT: '0' });
  const begun = request(`${await api.ready}${path}`, { method: 'POST', headers: { 'content-type': type } });
  const answered = once(begun, 'response') as Promise<[IncomingMessage]>;
  begun.write(body);
  return { api, begun, answered };
}

/** Is told to come again, by a process that has ended well. */
async function expectUnavailable(api: Process, answered: Promise<[IncomingMessage]>) {
  const stopped = api.stop();
  const [answer] = await answered;
  expect(answer.statusCode).toBe(503);
  expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
  const body = (await json(answer)) as Record<string, unknown>;
  expect(body.code).toBe('unavailable');
  expect(await stopped).toEqual({ code: 0, signal: null });
  return body;
}

test('SIGTERM in the middle of an upload: what came is stored and counted, and the rest may come again', async () => {
  const lines = Array.from({ length: 10_001 }, (_, n) => `SENT-${n}\n`).join('');
  const { api, begun, answered } = await begin('/api/coupons/sent/codes', 'text/csv', lines);
  const stored = async () => {
    const [row] = await sql`select count(*) as codes from codes where coupon_name = 'sent'`;
    return row?.codes;
  };
  await awaitUntil('the first batch', async () => (await stored()) === 10_000);
  const body = await expectUnavailable(api, answered);
  begun.destroy();
  expect(body).toMatchObject({ created: 10_001, skipped: 0 });
  expect(await stored()).toBe(10_001);
});

test('SIGTERM in the middle of generating: another process may carry the run on at once', async () => {
  const quantity = 1_000_000;
  const { api, begun, answered } = await begin(
    '/api/coupons/made/codes/generate',
    'application/json',
    JSON.stringify({ quantity, length: 12 }),
  );
  begun.end();
  const run = async () => {
    const [row] = await sql`select status, created, leased_until <= now() as is_free from code_runs`;
    return row as { status: string; created: number; is_free: boolean } | undefined;
  };
  await awaitUntil('the first batch', async () => Number((await run())?.created) > 0);
  const body = await expectUnavailable(api, answered);
  expect(body.error).toMatch(/^the run [\da-f-]{36} is under way/);
  expect(await run()).toMatchObject({ status: 'running', is_free: true });
  expect((await run())?.created).toBeLessThan(quantity);
});
