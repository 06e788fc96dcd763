import { freePort } from '@claimline/db/free-port';
import { oneAtATime } from '@claimline/db/one-at-a-time';
import { openPool, type Sql } from '@claimline/db/pool';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createProcessDatabase, type Process, startProcess } from '../testing.ts';

let database: Awaited<ReturnType<typeof createProcessDatabase>>;
let sql: Sql;
let workers: Process[];
let ports: number[];
beforeAll(async () => {
  database = await createProcessDatabase();
  sql = openPool({ url: database.url, applicationName: 'test schedule' });
  ports = [await freePort(), await freePort()];
  workers = ports.map(port =>
    startProcess('worker', { DATABASE_URL: database.url, WORKER_PORT: String(port), VERIFY_SECONDS: '1' }),
  );
  await Promise.all(workers.map(worker => worker.ready));
});
afterAll(async () => {
  await Promise.all(workers.map(worker => worker.stop()));
  await sql.end({ timeout: 1 });
  await database.drop();
});

const within = { timeout: 15_000, interval: 50 };
const stock = () => violations('remaining-is-what-is-left');

/** What the workers' metrics say of an invariant, those that say anything. */
async function violations(invariant: string): Promise<number[]> {
  const texts = await Promise.all(
    ports.map(async port => (await fetch(`http://127.0.0.1:${port}/metrics`)).text()),
  );
  const line = new RegExp(`^claimline_invariant_violations\\{invariant="${invariant}"\\} (\\d+)$`, 'm');
  return texts.flatMap(text => line.exec(text)?.[1] ?? []).map(Number);
}

test('workers verify on their schedule, and their metrics count what is violated', async () => {
  await expect.poll(stock, within).toEqual([0]);
  await sql`insert into coupons (name, amount, remaining_amount) values ('a', 5, 4), ('b', 5, 4)`;
  await expect.poll(stock, within).toEqual([2]);
  expect(await violations('grants-within-amount')).toEqual([0]);
  await sql`update coupons set remaining_amount = amount`;
  await expect.poll(stock, within).toEqual([0]);
  const errors = workers.flatMap(worker => worker.log()).filter(line => line.level === 'error');
  expect(new Set(errors.map(line => line.msg))).toEqual(
    new Set(['invariants are violated: run `claimline verify`']),
  );
});

test('what was found stays in the metrics until a verification has come to its end', async () => {
  await sql`update coupons set remaining_amount = 4 where name = 'a'`;
  await expect.poll(stock, within).toEqual([1]);
  /** Begins again and again while somebody else is at it, and finishes none. */
  const whileNoneFinishes = async () => {
    const begun = new Set<string>();
    const look = async () => {
      const [row] = await sql`select value from installation where key = 'done verify'`;
      return begun.add(row?.value).size;
    };
    await expect.poll(look, { timeout: 25_000, interval: 50 }).toBeGreaterThanOrEqual(4);
    return stock();
  };
  const holding = () => oneAtATime(database.url, 'verify', whileNoneFinishes);
  await expect.poll(holding, { timeout: 40_000 }).toEqual([1]);
  await sql`update coupons set remaining_amount = amount`;
  await expect.poll(stock, within).toEqual([0]);
});
