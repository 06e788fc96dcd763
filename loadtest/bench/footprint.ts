import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '@claimline/db/free-port';
import { generate, measure } from '../measure.ts';
import { readMemory } from '../memory.ts';
import { runToEnd } from '../process.ts';
import type { Stack } from '../stack.ts';
import { createStock } from '../stock.ts';
import { GRANTED, type Subject } from '../subject.ts';
import { whole } from '../table.ts';
import { type Finding, type Lab, START_SECONDS } from './finding.ts';
import { onStack } from './on-stack.ts';

/* T6: memory for each claim in line, and for each lane that is open and has nothing to do. */

const MOST = { kilobytesPerClaim: 1.5, megabytesPerLane: 0.5 } as const;
const BYTES_PER_KB = 1000;
const LINE_SECONDS = 8;
const LANES_SECONDS = 12;
/** A lane stays open for 10 s: so long after the last claim its worker is at rest and still has all of them. */
const IDLE_MS = 6000;
const OPEN_LIMIT_MS = 30_000;
const POLL_MS = 100;

export async function measureFootprint(lab: Lab): Promise<Pick<Finding, 'rows' | 'notes'>> {
  const line = await measureLine(lab);
  const lanes = await measureLanes(lab);
  return {
    rows: [
      {
        work: `Redis memory of a claim in line, ${whole(lab.plan.queuedInTrains)} from ${lab.plan.connections} connections`,
        target: `<= ${MOST.kilobytesPerClaim} kB`,
        figure: `${line.inTrainsKb.toFixed(2)} kB (${line.aloneKb.toFixed(2)} kB where each came alone)`,
        met: line.inTrainsKb <= MOST.kilobytesPerClaim,
      },
      {
        work: `worker memory of an idle open lane, ${whole(lab.plan.idleLanes)} open`,
        target: `<= ${MOST.megabytesPerLane} MB`,
        figure: `${lanes.workerMb.toFixed(2)} MB (and ${lanes.redisMb.toFixed(2)} MB in Redis)`,
        met: lanes.workerMb <= MOST.megabytesPerLane,
      },
    ],
    notes: [],
  };
}

/** Fills a line that no worker empties: in trains, and one claim after the other. */
function measureLine({ plan, step }: Lab): Promise<{ inTrainsKb: number; aloneKb: number }> {
  step('T6: a line without a worker', START_SECONDS + LINE_SECONDS);
  return onStack({ workers: 0 }, async stack => {
    const perClaimKb = async (requests: number, connections: number) => {
      const stock = await createStock(stack, GRANTED, GRANTED.amount!);
      const before = await readRedisBytes(stack);
      const shape = { seconds: Number.POSITIVE_INFINITY, connections, rate: 0, requests };
      const load = await generate(stack, GRANTED, shape, stock);
      await stock.close();
      if (load.statuses['202'] !== requests)
        throw new Error(`${load.statuses['202']} of ${requests} in line`);
      return ((await readRedisBytes(stack)) - before) / requests / BYTES_PER_KB;
    };
    // Scripts, connections and the first coupon are not what a claim costs.
    await perClaimKb(plan.connections, plan.connections);
    return {
      inTrainsKb: await perClaimKb(plan.queuedInTrains, plan.connections),
      aloneKb: await perClaimKb(plan.queuedAlone, 1),
    };
  });
}

async function readRedisBytes(stack: Stack): Promise<number> {
  const args = ['-u', stack.stores.claimline!.redisUrl, 'info', 'memory'];
  const info = await runToEnd({ name: 'redis-cli', command: 'redis-cli', args, folder: stack.folder });
  return Number(/used_memory:(\d+)/.exec(info)?.[1]);
}

/** Opens many lanes by a claim each, and compares the worker with itself when it had one. */
async function measureLanes({ plan, step }: Lab): Promise<{ workerMb: number; redisMb: number }> {
  step('T6: idle lanes', START_SECONDS + LANES_SECONDS);
  const port = await freePort();
  const env = { WORKER_PORT: String(port), LANES_PER_WORKER: String(2 * plan.idleLanes) };
  return onStack({ env }, async stack => {
    const once = { seconds: Number.POSITIVE_INFINITY, connections: 16, rate: 0 };
    await measure(stack, GRANTED, { ...once, requests: plan.idleLanes });
    const before = readMemory(stack.pids);
    const redisBefore = await readRedisBytes(stack);
    const many: Subject = { ...GRANTED, coupons: plan.idleLanes };
    const stock = await createStock(stack, many, GRANTED.amount!);
    await generate(stack, many, { ...once, requests: plan.idleLanes }, stock);
    await stock.close();
    await awaitLanes(`http://127.0.0.1:${port}/metrics`, plan.idleLanes);
    await sleep(IDLE_MS);
    await awaitLanes(`http://127.0.0.1:${port}/metrics`, plan.idleLanes);
    const workerMb = (readMemory(stack.pids).worker! - before.worker!) / plan.idleLanes;
    const redisMb = ((await readRedisBytes(stack)) - redisBefore) / 1e6 / plan.idleLanes;
    return { workerMb, redisMb };
  });
}

async function awaitLanes(metricsUrl: string, count: number): Promise<void> {
  const deadlineMs = Date.now() + OPEN_LIMIT_MS;
  for (;;) {
    const text = await (await fetch(metricsUrl)).text();
    const open = Number(/^claimline_lanes_open (\d+)/m.exec(text)?.[1]);
    if (open >= count) return;
    if (Date.now() > deadlineMs) throw new Error(`${open} of ${count} lanes open after ${OPEN_LIMIT_MS} ms`);
    await sleep(POLL_MS);
  }
}
