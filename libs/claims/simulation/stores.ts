import type { Tickets } from '@claimline/tickets/ticket';
import { SETTLED_CHANNEL } from '../outcome.ts';
import { createSharedGate } from './gate.ts';
import type { Listeners } from './listening.ts';
import type { Store } from './process.ts';
import { createQueueModel } from './queue.ts';
import { createRosterModel } from './roster.ts';
import { createTables, type Watch } from './tables.ts';

/** Everything that outlives a process. */
export type Stores = ReturnType<typeof createStores>;

/** @param isShared with Redis; without it the queue is in Postgres and each API process has a gate of its own */
export function createStores({
  seed,
  isShared,
  committed,
  notified,
  onAdded,
}: {
  seed: number;
  isShared: boolean;
  committed: Watch['committed'];
  /** A settle has told what it decided. */
  notified: (payload: string) => void;
  onAdded: (data: unknown) => void;
}) {
  const redis: Store = { name: 'redis', isAway: false, outages: 0 };
  const postgres: Store = { name: 'postgres', isAway: false, outages: 0 };
  const listeners: Listeners = new Set();
  const errors: Error[] = [];
  return {
    seed,
    redis,
    postgres,
    queueStore: isShared ? redis : postgres,
    listeners,
    tables: createTables(() => Date.now(), {
      committed,
      notify(channel, payload) {
        if (channel === SETTLED_CHANNEL) notified(payload);
        for (const deliver of listeners) deliver(channel, payload);
      },
    }),
    queue: createQueueModel(),
    roster: createRosterModel(),
    gate: isShared ? createSharedGate() : null,
    tickets: createTickets(),
    onAdded,
    errors,
    onError: (error: Error) => void errors.push(error),
  };
}

/** Tickets that are short enough to be read in a history: numbered, and remembered instead of signed. */
function createTickets(): Tickets {
  const issued: { subjectId: string; createdAtMs: number }[] = [];
  return {
    issue: (subjectId, createdAtMs, count) =>
      Array.from({ length: count }, () => {
        issued.push({ subjectId, createdAtMs });
        return `t${String(issued.length).padStart(4, '0')}`;
      }),
    read: ticket => issued[Number(ticket.slice(1)) - 1] ?? null,
  };
}
