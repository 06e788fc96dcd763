import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { closePool, openPool, type Sql } from '@claimline/db/pool';
import { openTransactions, transaction } from '@claimline/db/transaction';
import { listDeadLetters } from '@claimline/validations';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createProcessDatabase, type Process, startProcess } from '../testing.ts';

const timeoutMs = 60_000;
const within = { timeout: 20_000, interval: 20 };
/** How long the log is locked at least: 20 to see it as an operator would. */
const LOCKED_SECONDS = Number(process.env.CLAIMLINE_LOCK_SECONDS ?? 0);
/** What the log writes at once. */
const BATCH = 100;
/** Who ask at once where there is load. */
const width = 16;

let database: Awaited<ReturnType<typeof createProcessDatabase>>;
let sql: Sql;
let dataDir: string;
const started: Process[] = [];
beforeAll(async () => {
  database = await createProcessDatabase();
  sql = openPool({ url: database.url, applicationName: 'test' });
  await sql`insert into coupons (name, amount, public, max_redemptions_per_code) values ('open', 1, true, null)`;
  await sql`insert into codes (code, coupon_name) values ('GOOD', 'open')`;
  dataDir = mkdtempSync(join(tmpdir(), 'claimline-log-'));
});
afterAll(async () => {
  await Promise.all(started.map(process => process.stop('SIGKILL')));
  await closePool(sql, 1);
  await database.drop();
  rmSync(dataDir, { recursive: true });
});

async function startApi(env: Record<string, string> = {}) {
  await sql`truncate validations, validation_counts`;
  const api = startProcess('api', { DATABASE_URL: database.url, PORT: '0', DATA_DIR: dataDir, ...env });
  started.push(api);
  const base = await api.ready;
  const validate = async (order_value: number) => {
    const answer = await fetch(`${base}/api/validations`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ code: 'good', user_id: 'ada', order_value }),
    });
    return answer.status;
  };
  const read = async (path: string) => (await fetch(base + path)).json() as Promise<Record<string, unknown>>;
  const backlog = async () =>
    ((await read('/health')).checks as { validation_log: { backlog: number } }).validation_log.backlog;
  return { api, base, validate, read, backlog };
}

const logged = async () =>
  (await sql<{ order_value: number }[]>`select order_value from validations order by id`).map(
    row => row.order_value,
  );
const numbers = (count: number, from = 0) => Array.from({ length: count }, (_, i) => from + i);

test(
  'what was answered is in lists, statistics, health and metrics',
  async () => {
    const { api, base, validate, read, backlog } = await startApi();
    for (const n of numbers(BATCH - 1)) expect(await validate(n)).toBe(200);
    expect(await backlog()).toBe(BATCH - 1);
    expect(await (await fetch(`${base}/metrics`)).text()).toMatch(/^claimline_validation_log_backlog 99$/m);
    expect(await validate(BATCH - 1)).toBe(200);
    await expect.poll(backlog, within).toBe(0);
    expect(await logged()).toEqual(numbers(BATCH));
    const list = (await read('/api/validations?coupon=open&user_id=ada&limit=2')) as {
      data: unknown[];
      next_cursor: string;
    };
    expect(list.data).toMatchObject([
      { code: 'GOOD', coupon_name: 'open', user_id: 'ada', order_value: 99, valid: true, reason: null },
      { order_value: 98, discount_amount: 0, final_amount: 98, address: '127.0.0.1', order_id: null },
    ]);
    const next = (await read(`/api/validations?limit=1&cursor=${list.next_cursor}`)) as { data: unknown[] };
    expect(next.data).toMatchObject([{ order_value: 97 }]);
    expect(await read('/api/coupons/open/validations/stats')).toMatchObject({
      ...{ attempts: BATCH, valid: BATCH, invalid: 0, by_reason: { locked: 0 } },
      response_ms: { min: expect.any(Number), p95: expect.any(Number) },
    });
    expect(await read('/api/coupons/open/stats')).toMatchObject({ validations: BATCH });
    expect(await read('/api/validations?coupon=nowhere')).toMatchObject({ code: 'coupon_not_found' });
    await api.stop();
  },
  timeoutMs,
);

/** Validates with `width` at once until told to stop, or the API is gone; answers how many were answered. */
function keepAsking(validate: (n: number) => Promise<number>, width: number) {
  let answered = 0;
  let stopped = false;
  const asking = numbers(width).map(async () => {
    while (!stopped) {
      const status = await validate(answered).catch(() => 0);
      if (status === 200) answered++;
      else if (status === 0) return;
    }
  });
  return {
    answered: () => answered,
    async end() {
      stopped = true;
      await Promise.all(asking);
      return answered;
    },
  };
}

test(
  'told to stop in mid-load, it has written every attempt that it answered',
  async () => {
    const { api, validate } = await startApi();
    const load = keepAsking(validate, width);
    await expect.poll(load.answered, within).toBeGreaterThan(500);
    expect(await api.stop()).toEqual({ code: 0, signal: null });
    const answered = await load.end();
    const rows = (await logged()).length;
    // An answer may be written, and lost with its connection.
    expect(rows).toBeGreaterThanOrEqual(answered);
    expect(rows).toBeLessThanOrEqual(answered + width);
  },
  timeoutMs,
);

test(
  'told to stop while a request does not end, it has written what it answered',
  async () => {
    const { api, base, validate } = await startApi({ SHUTDOWN_TIMEOUT_SECONDS: '3' });
    for (const n of numbers(BATCH / 2)) await validate(n);
    const socket = connect(Number(new URL(base).port), '127.0.0.1');
    socket.on('error', () => {});
    socket.write(
      'POST /api/validations HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{',
    );
    await validate(BATCH / 2); // The other one has arrived before it.
    expect(await api.stop()).toEqual({ code: 1, signal: null });
    expect(await logged()).toEqual(numbers(BATCH / 2 + 1));
    socket.destroy();
  },
  timeoutMs,
);

test(
  'with the table of the log locked it answers as before, and the rows are there afterwards in order',
  async () => {
    const { api, validate, backlog } = await startApi();
    const url = database.url;
    const transactions = openTransactions({ url, applicationName: 'test', idleInTransactionMs: 0 });
    let asked = 0;
    async function ask(seconds: number) {
      const startedMs = performance.now();
      const before = asked;
      while (asked - before < 2 * BATCH || performance.now() - startedMs < seconds * 1000)
        expect(await validate(asked++)).toBe(200);
      return ((performance.now() - startedMs) / (asked - before)).toFixed(2);
    }
    const usual = await ask(0);
    await transaction(transactions, async tx => {
      await tx`lock table validations in access exclusive mode`;
      const locked = await ask(LOCKED_SECONDS);
      process.stderr.write(`an answer took ${usual} ms, and ${locked} ms while the log was locked\n`);
      expect(await backlog()).toBeGreaterThanOrEqual(2 * BATCH);
    });
    await transactions.close();
    await expect.poll(backlog, within).toBeLessThan(BATCH);
    await api.stop();
    expect(await logged()).toEqual(numbers(asked));
  },
  timeoutMs,
);

test(
  'told to stop while the log cannot be written, it leaves files, which the command replays',
  async () => {
    const { api, validate } = await startApi();
    const url = database.url;
    const transactions = openTransactions({ url, applicationName: 'test', idleInTransactionMs: 0 });
    await transaction(transactions, async tx => {
      await tx`lock table validations in access exclusive mode`;
      for (const n of numbers(BATCH + 50)) await validate(n);
      expect((await api.stop()).code).toBe(0);
    });
    await transactions.close();
    expect(await logged()).toEqual([]);
    const letters = await listDeadLetters(sql, dataDir);
    expect(letters.reduce((sum, one) => sum + one.attempts, 0)).toBe(BATCH + 50);
    const env = { DATABASE_URL: database.url, DATA_DIR: dataDir };
    const cli = startProcess('cli', env, { args: ['validations', 'dead-letters', '--replay'] });
    cli.ready.catch(() => {});
    expect((await cli.exited).code).toBe(0);
    expect(cli.stdout()).toBe('0 dead letters with 0 attempts\n');
    expect(await logged()).toEqual(numbers(BATCH + 50));
  },
  timeoutMs,
);

test(
  'killed, it loses what /health called its backlog, and nothing else',
  async () => {
    const { api, validate, backlog } = await startApi();
    const asked = 4 * BATCH + 37;
    for (const n of numbers(asked)) await validate(n);
    await expect.poll(backlog, within).toBeLessThan(BATCH);
    const rows = (await logged()).length;
    const lost = await backlog();
    await api.stop('SIGKILL');
    expect(lost).toBeLessThan(BATCH);
    // What the timer wrote meanwhile is not lost.
    const left = await logged();
    expect(left).toEqual(numbers(left.length));
    expect(left.length).toBeGreaterThanOrEqual(Math.max(rows, asked - lost));
  },
  timeoutMs,
);

test(
  'killed in mid-load, it loses no more than was under way',
  async () => {
    const { api, validate, backlog } = await startApi();
    const load = keepAsking(validate, width);
    await expect.poll(load.answered, within).toBeGreaterThan(1000);
    let answeredBefore = 0;
    const look = () => {
      answeredBefore = load.answered();
      return backlog();
    };
    await expect.poll(look, within).toBeLessThan(2 * BATCH);
    await api.stop('SIGKILL');
    const answered = await load.end();
    const rows = (await logged()).length;
    process.stderr.write(`killed after ${answered} answers: ${answered - rows} rows lost\n`);
    // What was answered before the backlog was read, but for that.
    expect(rows).toBeGreaterThan(answeredBefore - 2 * BATCH);
  },
  timeoutMs,
);
