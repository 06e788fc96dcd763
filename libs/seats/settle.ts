import { randomUUID } from 'node:crypto';
import { isTransient, isUniqueViolation } from '@claimline/db/error';
import type { Sql } from '@claimline/db/pool';
import { sqlFile } from '@claimline/db/sql-file';
import { backoffMs, pause } from '@claimline/kernel/backoff';
import { StoppedError } from '@claimline/queue/settling-lane';
import { metrics } from '@claimline/telemetry/metrics';
import type { JobRequest } from './job.ts';
import { planHolds, type Seat, type Verdict } from './plan.ts';

const lookStatement = sqlFile(import.meta.url, './look.sql');
const holdStatement = sqlFile(import.meta.url, './hold.sql');
const goneStatement = sqlFile(import.meta.url, './gone.sql');

export const settleLimits = {
  /** Preparations that find something changed under them; each means that somebody else got on. */
  staleMost: 50,
  retryBaseMs: 50,
  retryMostMs: 2000,
} as const;

/** How many requests ended how. */
export type Settled = { held: number; refused: number };

/**
 * Settles requests of one event in their order: prepares them on what is there (look.sql, plan.ts) and has one
 * statement do all of it, or nothing where something has changed meanwhile (hold.sql); then again. Waits for
 * Postgres as long as it is away, unless `signal` aborts. A ticket that is decided already stays as it is.
 *
 * @param sql a pool with sequential scans off
 * @throws StoppedError
 */
export async function settleRequests(
  sql: Sql,
  eventId: string,
  requests: JobRequest[],
  signal: AbortSignal,
): Promise<Settled> {
  let failures = 0;
  for (let stale = 0; stale <= settleLimits.staleMost; ) {
    const stopTimer = metrics.reserveSeconds.startTimer();
    try {
      const settled = await settleOnce(sql, eventId, requests);
      stopTimer();
      if (settled) return settled;
      stale++;
      metrics.settleAgain.inc({ why: 'stale' });
    } catch (error) {
      if (isUniqueViolation(error)) {
        stale++; // Another worker settled the same ticket in this instant; now it can be seen.
        metrics.settleAgain.inc({ why: 'conflict' });
        continue;
      }
      if (!isTransient(error)) throw error;
      if (signal.aborted) throw new StoppedError('stopped while Postgres was away', { cause: error });
      metrics.settleAgain.inc({ why: 'transient' });
      const { retryBaseMs: baseMs, retryMostMs: maxMs } = settleLimits;
      await pause(backoffMs(++failures, { baseMs, maxMs }), signal);
    }
  }
  throw new Error(`the event changed ${settleLimits.staleMost} times under one settle`);
}

type Look = { revision: number; closed: 'not_on_sale' | null; decided: string[] };

/** Null where something changed between preparing and doing. */
async function settleOnce(sql: Sql, eventId: string, requests: JobRequest[]): Promise<Settled | null> {
  const tickets = requests.map(([ticket]) => ticket);
  // First the revision: seats that are read later may be newer, which their versions tell.
  const [look] = await sql.unsafe<Look[]>(lookStatement, [eventId, tickets], { prepare: true });
  if (!look) {
    await settleGone(sql, eventId, requests, 'event_not_found');
    return { held: 0, refused: requests.length };
  }
  const decided = new Set(look.decided);
  const open = requests.filter(([ticket]) => !decided.has(ticket));
  if (open.length === 0) return { held: 0, refused: 0 };
  const verdicts = look.closed
    ? open.map((): Verdict => ({ reason: 'not_on_sale', refused: null }))
    : await prepare(sql, eventId, open);
  const rows = await sql.unsafe(holdStatement, parametersOf(eventId, look.revision, open, verdicts), {
    prepare: true,
  });
  if (rows.length === 0) return null;
  metrics.reserveRequests.observe(open.length);
  const held = verdicts.filter(verdict => 'seats' in verdict).length;
  return { held, refused: verdicts.length - held };
}

async function prepare(sql: Sql, eventId: string, requests: JobRequest[]): Promise<Verdict[]> {
  const wishes = requests.map(([, , wish]) => wish);
  const numbers = new Set(
    wishes.flatMap(wish => ('seats' in wish ? wish.seats.map(({ number }) => number) : [])),
  );
  const sections = new Set(wishes.flatMap(wish => ('seats' in wish ? [] : [wish.section])));
  const [named, free] = await Promise.all([
    numbers.size > 0 ? readNamed(sql, eventId, [...numbers]) : [],
    sections.size > 0 ? readFree(sql, eventId, sections) : [],
  ]);
  return planHolds(wishes, new Map(named.map(seat => [seat.number, seat])), free);
}

const seatColumns = (sql: Sql) => sql`
  id, number, section, row_name as row, place, version,
  status = 'available' or (status = 'held' and held_until <= now()) as "isFree"`;

function readNamed(sql: Sql, eventId: string, numbers: string[]): Promise<Seat[]> {
  return sql<Seat[]>`
    select ${seatColumns(sql)} from seats where event_id = ${eventId} and number = any (${numbers})`;
}

/** @param sections where to look; null among them: everywhere */
function readFree(sql: Sql, eventId: string, sections: Set<string | null>): Promise<Seat[]> {
  const some = [...sections].filter(section => section !== null);
  return sql<Seat[]>`
    select ${seatColumns(sql)} from seats
    where event_id = ${eventId} and status in ('available', 'held')
      and (held_until is null or held_until <= now())
      and ${sections.has(null) ? sql`true` : sql`section = any (${some})`}
    order by id`;
}

function parametersOf(eventId: string, revision: number, requests: JobRequest[], verdicts: Verdict[]) {
  const pairs = verdicts.flatMap((verdict, i) =>
    'seats' in verdict ? verdict.seats.map(({ id, version }) => ({ n: i + 1, id, version })) : [],
  );
  const refusals = verdicts.map(verdict => ('seats' in verdict ? null : verdict));
  return [
    eventId,
    revision,
    requests.map(([ticket]) => ticket),
    requests.map(([, userId]) => userId),
    refusals.map(refusal => refusal?.reason ?? null),
    refusals.map(refusal => (refusal?.refused ? JSON.stringify(refusal.refused) : null)),
    refusals.map(refusal => (refusal ? null : randomUUID())),
    pairs.map(pair => pair.n),
    pairs.map(pair => pair.id),
    pairs.map(pair => pair.version),
  ];
}

/** Settles tickets without looking at seats: of an event that is gone, or of a job that is dead. */
export async function settleGone(
  sql: Sql,
  eventId: string,
  requests: JobRequest[],
  reason: 'event_not_found' | 'failed',
): Promise<void> {
  await sql.unsafe(
    goneStatement,
    [eventId, requests.map(([ticket]) => ticket), requests.map(([, userId]) => userId), reason],
    { prepare: true },
  );
}
