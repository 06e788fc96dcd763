import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { closePool, openPool, type Sql } from '@claimline/db/pool';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createProcessDatabase, startProcess } from '../testing.ts';

let database: Awaited<ReturnType<typeof createProcessDatabase>>;
let sql: Sql;
beforeAll(async () => {
  database = await createProcessDatabase();
  sql = openPool({ url: database.url, applicationName: 'test' });
});
afterAll(async () => {
  await closePool(sql, 1);
  await database.drop();
});

async function run(...args: string[]) {
  const cli = startProcess('cli', { DATABASE_URL: database.url }, { args: ['codes', ...args] });
  cli.ready.catch(() => {});
  const { code } = await cli.exited;
  return { code, stdout: cli.stdout(), stderr: cli.stderr() };
}

const amountOf = async (name: string) =>
  (await sql`select amount from coupons where name = ${name}`)[0]?.amount;

test('a run that broke off is carried on and makes exactly what is missing', async () => {
  await sql`insert into coupons (name, amount) values ('made', 1)`;
  const wish = ['generate', 'made', '--quantity', '12000', '--pattern', 'MADE-????-####'];
  const first = await run(...wish);
  expect([first.code, first.stdout]).toEqual([0, expect.stringMatching(/^created 12000, skipped \d+\n$/)]);
  const [, id = ''] = /--run (\S+)/.exec(first.stderr) ?? [];
  // As a process leaves it that dies after its first batch.
  await sql`update code_runs set status = 'running', created = 10000, leased_until = now() where id = ${id}`;
  await sql`
    delete from codes where code in (select code from codes where coupon_name = 'made' order by random_key limit 2000)`;
  expect(await amountOf('made')).toBe(10_000);
  expect((await run(...wish, '--run', id)).stdout).toMatch(/^created 12000,/);
  expect(await amountOf('made')).toBe(12_000);
  expect((await run(...wish, '--run', id)).stdout).toMatch(/^created 12000,/);
  expect(await amountOf('made')).toBe(12_000);
});

test('a file is uploaded, and again without harm', async () => {
  await sql`insert into coupons (name, amount) values ('sent', 1)`;
  const folder = await mkdtemp(join(tmpdir(), 'claimline-codes-'));
  const file = join(folder, 'codes.csv');
  await writeFile(file, `code,note\n${Array.from({ length: 30_000 }, (_, i) => `sent-${i},x`).join('\n')}\n`);
  expect(await run('upload', 'sent', file)).toMatchObject({ code: 0, stdout: 'created 30000, skipped 0\n' });
  expect(await run('upload', 'sent', file)).toMatchObject({ code: 0, stdout: 'created 0, skipped 30000\n' });
  expect(await amountOf('sent')).toBe(30_000);
  await rm(folder, { recursive: true });
});

test.each([
  [['generate', 'nowhere', '--quantity', '1'], 'coupon not found'],
  [['generate', 'made', '--quantity', 'x'], 'quantity'],
  [['generate', 'made'], '--quantity'],
  [['upload', 'made', 'no-such-file'], 'no-such-file'],
])('%j is refused with what is wrong', async (args, said) => {
  const { code, stderr } = await run(...args);
  expect(code).toBe(1);
  expect(stderr).toContain(said);
});
