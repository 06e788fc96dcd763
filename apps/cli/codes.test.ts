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

test('a run of another coupon is not carried on, and neither is what is no run', async () => {
  await sql`insert into coupons (name, amount) values ('one', 1), ('another', 1)`;
  const [begun] = await sql`
    insert into code_runs (coupon_name, recipe, quantity) values ('one', '["AB"]', 1) returning id`;
  expect(await run('generate', 'another', '--quantity', '3', '--run', begun?.id)).toMatchObject({
    code: 1,
    stdout: '',
    stderr: expect.stringContaining('fills the book of "one"'),
  });
  expect(await run('generate', 'one', '--quantity', '3', '--run', 'abc')).toMatchObject({
    code: 1,
    stderr: '--run must be the id of a run\n',
  });
});

test('who gets fewer codes than asked for is told, and the command fails', async () => {
  await sql`insert into coupons (name, amount) values ('few', 1)`;
  await sql`insert into codes (code, coupon_name) select 'F-' || n, 'few' from generate_series(10, 98) n`;
  const wish = ['--quantity', '20', '--pattern', 'F-##', '--alphabet', '0123456789'];
  const { code, stdout, stderr } = await run('generate', 'few', ...wish);
  expect([code, stdout]).toEqual([1, expect.stringMatching(/^created 11, skipped \d+\n$/)]);
  expect(stderr).toContain('only 11 of 20 could be created');
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
