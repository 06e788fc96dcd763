import type { Changes } from '@claimline/db/changes';
import type { Sql } from '@claimline/db/pool';
import { createTrain } from '@claimline/kernel/train';
import { createWaiters, type Waiters } from '@claimline/tickets/waiters';
import { LRUCache } from 'lru-cache';
import type { Reason } from './plan.ts';
import { type ReservationRow, reservationColumns } from './reservation.ts';

export const outcomesLimits = {
  /** Tickets of which this process heard that they are decided. */
  heardMost: 100_000,
  /** Outcomes that are read by one query. */
  readMost: 500,
} as const;

const RESERVED_CHANNEL = 'claimline_reserved';

/** What became of a request. `failed` is no outcome but a surprise that an operator may retry. */
export type Outcome = { userId: string; decidedAtMs: number } & (
  | { status: 'granted'; reservation: ReservationRow }
  | { status: 'refused'; reason: Reason; refused: string[] | null }
  | { status: 'failed' }
);

/**
 * What became of requests for seats. A settle tells which tickets it decided, so whoever waits is woken by that;
 * how is read from Postgres, for many at once.
 */
export type Outcomes = Pick<Waiters, 'wait' | 'release'> & {
  /** Whether it was heard that the ticket is decided. */
  isHeard(ticket: string): boolean;
  read(ticket: string): Promise<Outcome | undefined>;
};

/** @param onDecided told of each ticket that was heard to be decided */
export async function openOutcomes(
  { sql, changes }: { sql: Sql; changes: Changes },
  onDecided: (ticket: string) => void,
): Promise<Outcomes> {
  const waiters = createWaiters();
  const heard = new LRUCache<string, true>({ max: outcomesLimits.heardMost });
  const reading = createTrain<string, Outcome | undefined>({
    seats: outcomesLimits.readMost,
    depart: tickets => selectOutcomes(sql, tickets),
  });

  await changes.on(RESERVED_CHANNEL, payload => {
    for (const ticket of (JSON.parse(payload) as { tickets: string[] }).tickets) {
      heard.set(ticket, true);
      onDecided(ticket);
      waiters.wake(ticket);
    }
  });
  changes.onReconnect(() => void waiters.wakeDecided(some => findDecided(sql, some)));

  return {
    wait: waiters.wait,
    release: waiters.release,
    isHeard: ticket => heard.has(ticket),
    read: ticket => reading.board(ticket),
  };
}

async function findDecided(sql: Sql, tickets: string[]): Promise<string[]> {
  const outcomes = await selectOutcomes(sql, tickets);
  return tickets.filter((_, i) => outcomes[i]);
}

type RefusalRow = {
  ticket: string;
  user_id: string;
  reason: Reason | 'failed';
  seats: string[] | null;
  decided_at: Date;
};

async function selectOutcomes(sql: Sql, tickets: string[]): Promise<(Outcome | undefined)[]> {
  const [reservations, refusals] = await Promise.all([
    sql<
      ReservationRow[]
    >`select ${reservationColumns(sql)} from reservations where ticket = any (${tickets})`,
    sql<RefusalRow[]>`
      select ticket, user_id, reason, seats, decided_at from reservation_refusals where ticket = any (${tickets})`,
  ]);
  const byTicket = new Map<string | null, Outcome>(refusals.map(row => [row.ticket, toRefusal(row)]));
  for (const reservation of reservations)
    byTicket.set(reservation.ticket, {
      ...{ userId: reservation.user_id, decidedAtMs: reservation.created_at.getTime() },
      ...{ status: 'granted', reservation },
    });
  return tickets.map(ticket => byTicket.get(ticket));
}

function toRefusal({ user_id: userId, decided_at, reason, seats }: RefusalRow): Outcome {
  const base = { userId, decidedAtMs: decided_at.getTime() };
  return reason === 'failed'
    ? { ...base, status: 'failed' }
    : { ...base, status: 'refused', reason, refused: seats };
}
