import { setTimeout as sleep } from 'node:timers/promises';
import { runChecks } from '@claimline/db/checks';
import { closePool, openPool, type Sql } from '@claimline/db/pool';
import { seatCheck } from '@claimline/seats/verify';
import { readCpuTimes, subtractCpuTimes } from './cpu-time.ts';
import type { LoadResult } from './load.ts';
import type { Measurement } from './measure.ts';
import { runToEnd } from './process.ts';
import { EVENT_SEATS } from './request-template.ts';
import type { Stack } from './stack.ts';

/** People who come to each event, twice as many as seats, and who want three each. */
export const SCRAMBLE_PEOPLE = 1000;

const limits = {
  /** Events made for a second of load; more people than that nobody has been able to answer. */
  eventsPerSecond: 30,
  settleMs: 60_000,
  pollMs: 25,
} as const;

/** Ids that end in a number, so that the generator can write them. */
const EVENT_ID = '00000000-0000-4000-8000-00000000';
const EVENT_PATH = `/api/events/evt_${EVENT_ID.replaceAll('-', '')}{event}/reservations`;
const WISH =
  '{"user_id":"{user}","seats":[{"number":"{seat}"},{"number":"{seat+1}"},{"number":"{seat+250}"}]}';

let events = 0;

/**
 * One event after the other: 1,000 people come to each at once, each for three of its 500 seats, which cross
 * those of five others. Counted is everybody who was told, or whose ticket was decided. Throws when a set was
 * split, a seat is in two reservations, somebody has no outcome, or Postgres broke a circle of locks.
 */
export async function measureScramble(
  stack: Stack,
  { seconds, connections }: { seconds: number; connections: number },
): Promise<Measurement> {
  const { databaseUrl } = stack.stores.claimline!;
  const sql = openPool({ url: databaseUrl, applicationName: 'load scramble', max: 1, statementTimeoutMs: 0 });
  try {
    const count = Math.ceil(seconds * limits.eventsPerSecond);
    const first = events;
    events += count;
    await createEvents(sql, first, count);
    const before = await readCounts(sql);
    const cpuBefore = readCpuTimes(stack.pids);
    const load = await generate(stack, { first, seconds, connections, requests: count * SCRAMBLE_PEOPLE });
    const accepted = load.statuses['202'] ?? 0;
    const settledAtMs = await awaitDecided(sql, before.decided + accepted);
    const cpu = subtractCpuTimes(readCpuTimes(stack.pids), cpuBefore);
    await assertExact(sql, databaseUrl, before.deadlocks);
    stack.assertRunning();
    const elapsedMs = Math.max(load.durationMs, settledAtMs - load.startedAtMs);
    const perSecond = (amount: number) => Math.round((amount * 1000) / elapsedMs);
    return {
      ...{ subject: 'scramble', load, accepted, acceptedPerSecond: perSecond(accepted) },
      ...{ settledPerSecond: perSecond(load.answers), backlogAtEnd: 0, backlogGrowthPerSecond: 0, elapsedMs },
      cpu: { ...cpu, generator: load.cpuMs },
    };
  } finally {
    await closePool(sql, 1);
  }
}

async function createEvents(sql: Sql, first: number, count: number) {
  await sql`
    insert into events (id, name, starts_at, currency)
    select (${EVENT_ID} || lpad(n::text, 4, '0'))::uuid, 'scramble ' || n, now() + interval '1 day', 'EUR'
    from generate_series(${first}::int, ${first + count - 1}::int) n`;
  await sql`
    insert into seats (event_id, number, place, price, currency)
    select (${EVENT_ID} || lpad(n::text, 4, '0'))::uuid, lpad(seat::text, 3, '0'), seat, 1000, 'EUR'
    from generate_series(${first}::int, ${first + count - 1}::int) n
    cross join generate_series(0, ${EVENT_SEATS - 1}::int) seat`;
  await sql`analyze seats`;
}

async function generate(
  stack: Stack,
  {
    first,
    seconds,
    connections,
    requests,
  }: { first: number; seconds: number; connections: number; requests: number },
): Promise<LoadResult> {
  const options = {
    ...{ path: EVENT_PATH, body: WISH, expect: '202,409', connections, seconds, requests },
    ...{ crowd: SCRAMBLE_PEOPLE, 'first-event': first },
  };
  const args = [
    ...['--import', 'tsx', 'loadtest/generator.ts'],
    ...stack.urls.claimline!.flatMap(url => ['--target', url]),
    ...Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]),
  ];
  const run = { name: 'load on seats', command: process.execPath, args, folder: stack.folder };
  return JSON.parse(await runToEnd(run)) as LoadResult;
}

async function readCounts(sql: Sql): Promise<{ decided: number; deadlocks: number }> {
  const [row] = await sql<{ decided: number; deadlocks: number }[]>`
    select (select count(*) from reservations) + (select count(*) from reservation_refusals) as decided,
      (select deadlocks from pg_stat_database where datname = current_database()) as deadlocks`;
  return row ?? { decided: 0, deadlocks: 0 };
}

/** Polls until so many tickets are decided; answers when that was. */
async function awaitDecided(sql: Sql, expected: number): Promise<number> {
  const deadlineMs = Date.now() + limits.settleMs;
  for (;;) {
    const { decided } = await readCounts(sql);
    if (decided === expected) return Date.now();
    if (decided > expected)
      throw new Error(`${decided} tickets decided, and only ${expected} were given out`);
    if (Date.now() > deadlineMs) throw new Error(`${decided} of ${expected} tickets decided`);
    await sleep(limits.pollMs);
  }
}

async function assertExact(sql: Sql, databaseUrl: string, deadlocksBefore: number) {
  const { deadlocks } = await readCounts(sql);
  if (deadlocks > deadlocksBefore) throw new Error(`${deadlocks - deadlocksBefore} deadlocks`);
  const verdicts = await runChecks(databaseUrl, [seatCheck]);
  const wrong = verdicts.filter(({ violations }) => violations > 0);
  if (wrong.length > 0) throw new Error(`seats are wrong: ${JSON.stringify(wrong)}`);
}
