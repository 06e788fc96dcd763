import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { assertSchema, migrate, migrateLimits, SchemaError } from './migrate.ts';
import { closePool, openPool, type Sql } from './pool.ts';
import { createTestDatabase, type TestDatabase } from './testing.ts';

let database: TestDatabase;
let sql: Sql;
let dir: string;
beforeEach(async () => {
  database = await createTestDatabase({ empty: true });
  sql = openPool({ url: database.url, applicationName: 'test', max: 2 });
  dir = mkdtempSync(join(tmpdir(), 'claimline-migrations-'));
  write('0001_first.sql', 'create table counted (n int);\ninsert into counted values (1);\n');
  write('0002_second.sql', 'insert into counted values (2);\n');
});
afterEach(async () => {
  await closePool(sql, 1);
  await database.drop();
  rmSync(dir, { recursive: true });
});

const write = (name: string, text: string) => writeFileSync(join(dir, name), text);
const run = () => migrate({ url: database.url, dir });
const counted = async () => (await sql`select n from counted order by n`).map(row => row.n as number);

test('applies what is missing, in order, and says which', async () => {
  expect(await run()).toEqual(['0001_first.sql', '0002_second.sql']);
  write('0003_third.sql', 'insert into counted values (3);');
  expect(await run()).toEqual(['0003_third.sql']);
  expect(await run()).toEqual([]);
  expect(await counted()).toEqual([1, 2, 3]);
});

test('any number at once apply each migration once', async () => {
  const lists = await Promise.all(Array.from({ length: 6 }, run));
  expect(lists.flat().sort()).toEqual(['0001_first.sql', '0002_second.sql']);
  expect(await counted()).toEqual([1, 2]);
});

test('several at once get through an index that is built concurrently', async () => {
  write(
    '0003_index.sql',
    '-- no-transaction\ncreate index concurrently if not exists by_n on counted (n);\n',
  );
  const lists = await Promise.all(Array.from({ length: 4 }, run));
  expect(lists.flat().sort().at(-1)).toBe('0003_index.sql');
  expect(await sql`select indisvalid from pg_index where indexrelid = 'by_n'::regclass`).toEqual([
    { indisvalid: true },
  ]);
});

test('a file that fails is named and leaves nothing behind, and those before it stand', async () => {
  write('0003_bad.sql', 'insert into counted values (3);\nselect 1 / 0;\n');
  await expect(run()).rejects.toThrow(/0003_bad\.sql.*division by zero/);
  expect(await counted()).toEqual([1, 2]);
  write('0003_bad.sql', 'insert into counted values (3);\n');
  expect(await run()).toEqual(['0003_bad.sql']);
});

test('gives way to a lock and tries again', async () => {
  await run();
  write('0003_alter.sql', 'alter table counted add column more int;');
  const holder = await sql.reserve();
  await holder`begin`;
  await holder`lock table counted`;
  const lines: string[] = [];
  const migrating = migrate({ url: database.url, dir, log: line => lines.push(line) });
  await expect
    .poll(() => lines.join(), { timeout: 3 * migrateLimits.lockTimeoutMs })
    .toContain('did not get a lock');
  await holder`commit`;
  holder.release();
  expect(await migrating).toEqual(['0003_alter.sql']);
});

test('a checkout with other line ends is the same migration', async () => {
  await run();
  write('0001_first.sql', 'create table counted (n int);\r\ninsert into counted values (1);\r\n');
  expect(await run()).toEqual([]);
});

test.each([
  ['was changed', '0001_first.sql', () => write('0001_first.sql', 'select 1;')],
  ['is missing', '0001_first.sql', () => rmSync(join(dir, '0001_first.sql'))],
  ['comes too late', '0003_late.sql', () => write('0003_late.sql', 'select 1;')],
])('refuses to go on when a file %s, and names it', async (_, name, change) => {
  write('0004_fourth.sql', 'select 1;');
  await run();
  change();
  await expect(run()).rejects.toThrow(name);
  await expect(run()).rejects.toBeInstanceOf(SchemaError);
  await expect(assertSchema(sql, dir)).rejects.toThrow(name);
});

test.each(['1_short.sql', '0001_taken.sql', '0003_Not-Words.sql'])('refuses a file called %s', async name => {
  write(name, 'select 1;');
  await expect(run()).rejects.toThrow(name);
});

describe('assertSchema', () => {
  test('is content with exactly our schema', async () => {
    await run();
    await assertSchema(sql, dir);
  });

  test('says what to do with an empty or an older database', async () => {
    await expect(assertSchema(sql, dir)).rejects.toThrow('npm run migrate');
    await run();
    write('0003_third.sql', 'select 1;');
    await expect(assertSchema(sql, dir)).rejects.toThrow(/version 2 .* needs 3: run npm run migrate/);
  });

  test('says so when the database is newer than the program', async () => {
    write('0003_third.sql', 'select 1;');
    await run();
    rmSync(join(dir, '0003_third.sql'));
    await expect(assertSchema(sql, dir)).rejects.toThrow(/version 3 .* knows 2/);
  });

  test('knows the migrations of the program itself', async () => {
    await migrate({ url: database.url });
    await assertSchema(sql);
  });
});
