import { randomUUID } from 'node:crypto';
import { points } from '@claimline/bookings';
import { closePool, openPool, type Sql } from '@claimline/db/pool';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createProcessDatabase, type Process, startProcess } from '../testing.ts';
import { holdSeats } from './bookings/hold-seats.ts';
import { chargesAstray, lookAtMoney, seatsAstray } from './bookings/ledger.ts';

/** Kills at each point: `CLAIMLINE_KILLS=20 npx vitest run apps/system-tests/bookings-killed.test.ts` is thorough. */
const kills = Number(process.env.CLAIMLINE_KILLS ?? 2);
/** Bookings under way in an API that is going to die. */
const together = 4;
const within = { timeout: 60_000, interval: 200 };

let database: Awaited<ReturnType<typeof createProcessDatabase>>;
let sql: Sql;
let environment: Record<string, string>;
let operating: Process[];
beforeAll(async () => {
  database = await createProcessDatabase();
  sql = openPool({ url: database.url, applicationName: 'test bookings killed' });
  environment = { DATABASE_URL: database.url, PORT: '0', LOG_LEVEL: 'warn', VERIFY_SECONDS: '0' };
  operating = [startProcess('api', environment), startProcess('worker', environment)];
  await Promise.all(operating.map(one => one.ready));
}, 60_000);
afterAll(async () => {
  await Promise.all(operating.map(one => one.stop()));
  await closePool(sql, 1);
  await database.drop();
});

type Sent = { path: string; body: unknown; key: string };
type Told = { status: number; body: { reference?: string; code?: string; status?: string } };

/** Sends a request; undefined when nobody lived to answer it. */
async function send(address: string, { path, body, key }: Sent): Promise<Told | undefined> {
  try {
    const response = await fetch(address + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': key },
      body: JSON.stringify(body),
    });
    return { status: response.status, body: (await response.json()) as Told['body'] };
  } catch {
    return undefined;
  }
}

const booking = (id: string, key: string = randomUUID()): Sent => ({
  ...{ path: `/api/reservations/${id}/booking`, key },
  body: { payment: { method: 'mock', token: 'tok_ok' } },
});

/** Requests to an API that dies at that point, over and over until it has died so often; answers what was sent. */
async function killAt(point: string, healthy: string): Promise<Sent[]> {
  const all: Sent[] = [];
  for (let killed = 0; killed < kills; killed++) {
    const held = await holdSeats(sql, together);
    const isRefund = point.startsWith('refund');
    const requests = isRefund ? await bookAndRefund(healthy, held) : held.map(id => booking(id));
    const api = startProcess('api', { ...environment, FAULT_POINT: point });
    const address = await api.ready;
    const answers = await Promise.all(requests.map(request => send(address, request)));
    expect(answers, `${point}: somebody was left without an answer`).toContain(undefined);
    expect(await api.exited, point).toEqual({ code: null, signal: 'SIGKILL' });
    all.push(...requests);
  }
  return all;
}

/** Bookings that stand, and the requests that will give all of their money back. */
async function bookAndRefund(address: string, held: string[]): Promise<Sent[]> {
  const booked = await Promise.all(held.map(id => send(address, booking(id))));
  return booked.map(told => ({
    ...{ path: `/api/bookings/${told?.body.reference}/refund`, key: randomUUID(), body: {} },
  }));
}

/** Nobody is heard of any more: leases lapse. */
async function passTime() {
  await sql`update payments set due_at = now() where due_at is not null`;
  await sql`update refunds set due_at = now() where due_at is not null`;
  await sql`update idempotency_keys set leased_until = now() where status is null`;
}

async function underWay(): Promise<number> {
  const [row] = await sql<{ count: number }[]>`
    select (select count(*) from payments where due_at is not null)
      + (select count(*) from refunds where due_at is not null) as count`;
  return row?.count ?? 0;
}

test('killed at each point: every charge is a booking or given back, every seat booked or free', {
  timeout: 60_000 + kills * 60_000,
}, async () => {
  const [api, worker] = operating as [Process, Process];
  const healthy = await api.ready;
  // The sweep is left to workers that die of it, below.
  await worker.stop();
  const sent = (await Promise.all(points.map(point => killAt(point, healthy)))).flat();

  // Of some reservations the seats are lost meanwhile: what was charged for them has to be given back.
  const [lost] = await sql<{ count: number }[]>`
    with released as (
      update reservations set status = 'expired', expires_at = now() where id in (
        select reservation_id from payments join mock_charges on mock_charges.id = charge_id
        where payments.status = 'charging' and mock_charges.status = 'succeeded'
      )
      returning id
    ),
    freed as (
      update seats set status = 'available', reservation_id = null, held_until = null, version = version + 1
      where reservation_id in (select id from released)
    )
    select count(*)::int as count from released`;
  const held = await holdSeats(sql, together);
  const astray = startProcess('api', { ...environment, FAULT_POINT: 'charged' });
  const address = await astray.ready;
  await Promise.all(held.map(id => send(address, booking(id))));
  await astray.exited;
  expect(lost?.count).toBeGreaterThanOrEqual(kills);
  for (const point of ['outcome stored', 'refunded'] as const) {
    await passTime();
    const sweeping = startProcess('worker', { ...environment, FAULT_POINT: point });
    expect(await sweeping.exited, `worker, ${point}`).toEqual({ code: null, signal: 'SIGKILL' });
  }

  operating[1] = startProcess('worker', environment);
  await expect
    .poll(async () => {
      await passTime();
      return underWay();
    }, within)
    .toBe(0);

  // Each request again, under its own key: an answer, and one that the tables bear out.
  await passTime();
  const told = await Promise.all(sent.map(request => send(healthy, request)));
  for (const [i, answer] of told.entries())
    expect([200, 201, 402, 409], sent[i]?.path).toContain(answer?.status);
  const claimed = told
    .filter(answer => answer?.status === 201)
    .map(answer => answer?.body.reference as string);
  const stored = await sql`select from bookings where reference = any (${claimed}) and status = 'confirmed'`;
  expect(stored.length).toBe(claimed.length);

  // Who was told that nothing came of it tries again, and has the seats.
  const refused = sent.filter((_, i) => told[i]?.status === 402);
  const again = await Promise.all(refused.map(one => send(healthy, { ...one, key: randomUUID() })));
  expect(again.map(answer => answer?.status)).toEqual(refused.map(() => 201));

  expect(await chargesAstray(sql)).toEqual([]);
  expect(await seatsAstray(sql)).toEqual([]);
  const verified = startProcess('cli', environment, { args: ['verify', '--tables'] });
  expect([(await verified.exited).code, verified.stdout()]).toEqual([0, expect.any(String)]);
  const money = await lookAtMoney(sql);
  expect(money.charged).toBe(money.booked + money.given_back);
  process.stderr.write(
    `killed ${kills} times at each of ${points.length} points: ${JSON.stringify(money)}\n`,
  );
});
