import { createEngine } from '@claimline/queue/engine';
import { openHost } from '@claimline/queue/host';
import { createLocalGate } from '../gate-local.ts';
import { openLane } from '../lane.ts';
import { couponOf, laneOf } from '../lane-name.ts';
import { isLineDone, mendLine } from '../mend-line.ts';
import { createSql } from './postgres.ts';
import type { SimulatedProcess } from './process.ts';
import { createQueuePorts } from './queue-ports.ts';
import type { Stores } from './stores.ts';

const lanesMost = 10;
/** As MEND_SECONDS. */
const mendEveryMs = 15_000;

/** A worker, put together as in apps/worker/start.ts and ../jobs.ts, on simulated stores. */
export async function openWorkerProcess(process: SimulatedProcess, stores: Stores): Promise<void> {
  const { seed, tables, onError } = stores;
  const sql = createSql(process, stores.postgres, tables, seed);
  const engine = createEngine(
    {
      ...{ kind: 'redis', scripts: null, roster: stores.roster.portOf(process, stores.queueStore) },
      ...createQueuePorts(process, {
        ...{ store: stores.queueStore, queue: stores.queue, onAdded: stores.onAdded },
      }),
      ping: () => process.call(stores.queueStore, 'queue.ping', () => {}),
      async close() {},
    },
    onError,
  );
  const gate = stores.gate ? stores.gate.portOf(process, stores.redis) : createLocalGate();
  // What ../mend-lines.ts does for a coupon that an emptied store has forgotten; it finds coupons by SQL.
  async function mend(id: string, name: string) {
    const { added, takenOut } = gate.isShared
      ? await mendLine({ engine, gate, sql }, id)
      : { added: 0, takenOut: 0 };
    if (added + takenOut === 0 && (await engine.countUndecided(laneOf(id))) > 0)
      await engine.roster.want(laneOf(id), name);
  }
  const mender = setInterval(() => {
    for (const { id, name } of tables.rows.coupons.values()) mend(id, name).catch(() => {});
  }, mendEveryMs);
  process.onKilled(() => clearInterval(mender));
  await openHost({
    engine,
    lanesMost,
    open: lane => openLane(lane, { engine, sql, gate, onError }),
    async isDone(lane) {
      const couponId = couponOf(lane);
      return couponId === null || !gate.isShared || isLineDone({ engine, gate, sql }, couponId);
    },
    onError,
  });
}
