import { openDirectory } from '@claimline/coupons';
import { createEngine } from '@claimline/queue/engine';
import { createClaimVerb } from '../claim.ts';
import { createLocalGate } from '../gate-local.ts';
import { createLoadGate } from '../load-gate.ts';
import { mendLine } from '../mend-line.ts';
import { openOutcomes } from '../outcomes.ts';
import { createTicketReader } from '../read-ticket.ts';
import { createTrains } from '../train.ts';
import { createListening } from './listening.ts';
import { createSql } from './postgres.ts';
import type { SimulatedProcess } from './process.ts';
import { createQueuePorts } from './queue-ports.ts';
import type { Stores } from './stores.ts';

/** As in ../http.ts. */
const mendMs = 5000;
/** As CLAIM_WAIT_MS; the crowds of the simulation are far too small for it. */
const waitMostMs = 1000;

export type Api = Awaited<ReturnType<typeof openApi>> & { process: SimulatedProcess };

/** The accepting side of claims, put together as in ../http.ts, on simulated stores. */
export async function openApi(process: SimulatedProcess, stores: Stores) {
  const { tickets, seed, tables } = stores;
  const sql = createSql(process, stores.postgres, tables, seed);
  const changes = createListening(process, {
    ...{ store: stores.postgres, listeners: stores.listeners, clockMs: tables.clockMs, seed },
  });
  const engine = createEngine(
    {
      ...{ kind: 'redis', scripts: null, roster: stores.roster.portOf(process, stores.queueStore) },
      ...createQueuePorts(process, {
        ...{ store: stores.queueStore, queue: stores.queue, onAdded: stores.onAdded },
      }),
      ping: () => process.call(stores.queueStore, 'queue.ping', () => {}),
      async close() {},
    },
    stores.onError,
  );
  const gate = stores.gate ? stores.gate.portOf(process, stores.redis) : createLocalGate();
  const directory = await openDirectory(sql, changes);
  const outcomes = await openOutcomes({ changes, gate, tickets, findDecided: async some => some });
  const reader = createTicketReader({ sql, gate, engine, tickets, outcomes });
  const loadGate = createLoadGate({ sql, gate, engine });
  const trains = createTrains({ directory, changes, gate, loadGate, engine, tickets, waitMostMs });
  const rest = (wait: () => Promise<void>) => wait();
  const verb = createClaimVerb({ directory, gate, tickets, trains, outcomes, reader, rest });
  let isMending = false;
  const mender = setInterval(async () => {
    if (isMending) return;
    isMending = true;
    for (const id of gate.couponsInLine()) await mendLine({ engine, gate, sql }, id).catch(() => {});
    isMending = false;
  }, mendMs);
  process.onKilled(() => clearInterval(mender));
  return { process, changes, reader, verb };
}
