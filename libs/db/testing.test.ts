import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isTransient } from './error.ts';
import { closePool, openPool, type Sql } from './pool.ts';
import { createTestDatabase, startTestCluster, type TestCluster } from './testing.ts';

describe('createTestDatabase', () => {
  test('gives each caller a migrated database of its own, also at once', async () => {
    const databases = await Promise.all(Array.from({ length: 6 }, () => createTestDatabase()));
    for (const { url } of databases) {
      const sql = openPool({ url, applicationName: 'test', max: 1 });
      await sql`create table mine (id int)`;
      const [row] = await sql`select count(*) as n from claimline_migrations`;
      expect(row?.n).toBeGreaterThan(0);
      await closePool(sql, 1);
    }
    await Promise.all(databases.map(database => database.drop()));
  });
});

describe('startTestCluster', () => {
  let cluster: TestCluster;
  let sql: Sql;
  beforeAll(async () => {
    cluster = await startTestCluster();
    sql = openPool({ url: cluster.url, applicationName: 'test', max: 2, connectTimeoutSeconds: 1 });
  });
  afterAll(async () => {
    await closePool(sql, 0);
    await cluster.stop();
  });

  test.each(['fast', 'immediate', 'kill'] as const)(
    'comes back on the same URL after a %s restart',
    async mode => {
      await sql`create table if not exists kept (mode text)`;
      await sql`insert into kept values (${mode})`;
      await cluster.restart(mode);
      const other = openPool({ url: cluster.url, applicationName: 'test', max: 1 });
      expect(await other`select 1 from kept where mode = ${mode}`).toHaveLength(1);
      await closePool(other, 1);
    },
  );

  test('is gone after kill() until it is restarted', async () => {
    await cluster.kill();
    const error = await sql`select 1`.then(
      () => expect.unreachable(),
      (caught: unknown) => caught,
    );
    expect(isTransient(error)).toBe(true);
    await cluster.restart();
    await expect.poll(() => sql`select 1 as one`.catch(() => []), { timeout: 5000 }).toEqual([{ one: 1 }]);
  });

  test('answers nothing while it is frozen', async () => {
    await sql`select 1`;
    cluster.freeze();
    let answered = false;
    const query = sql`select 1 as one`.then(rows => {
      answered = true;
      return rows;
    });
    await new Promise(resolve => setTimeout(resolve, 100));
    expect(answered).toBe(false);
    cluster.thaw();
    expect(await query).toEqual([{ one: 1 }]);
  });
});
