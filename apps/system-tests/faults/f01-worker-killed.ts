import { setTimeout as delay } from 'node:timers/promises';
import { openSession } from '@claimline/db/session';
import { awaitUntil } from '../await-until.ts';
import type { Arena } from './arena.ts';
import type { Crowd } from './crowd.ts';
import type { Fault } from './fault.ts';
import { holderOf } from './holder.ts';
import { type Sale, settledAfter } from './sale.ts';

const nextSettlementWithinMs = 10_000;
const lookEveryMs = 100;
const pauseMostMs = 400;

/** Workers killed -9, at random and at the two worst moments. Each has one lane, so that a kill hits one sale; some are spare. */
export const workerKilled: Fault = {
  id: 'F1',
  title: 'worker killed -9: at random, in a settlement, between commit and the end of its job',
  engines: ['redis', 'postgres'],
  stack: size => ({
    apis: 1,
    workers: { short: 4, usual: 9, full: 12 }[size],
    hasWays: true,
    env: { LANES_PER_WORKER: '1' },
  }),
  async run(arena) {
    const crowd = await arena.crowd({ sales: arena.sized(2, 6, 8), hasShort: false });
    await killAtRandom(arena, crowd, arena.sized(3, 14, 180));
    for (let round = 0; round < arena.sized(1, 3, 10); round++) {
      await killInSettlement(arena, arena.random.pick(crowd.sales));
      if (arena.stack.redis) await killAfterCommit(arena, arena.random.pick(crowd.sales));
    }
    await crowd.seeOut();
  },
};

/** Kills the holders of lanes, several sales at once, but none that has not settled since its last kill. */
async function killAtRandom(arena: Arena, crowd: Crowd, kills: number): Promise<void> {
  const { stack, random } = arena;
  const killedAtMs = new Map<Sale, number>();
  for (let killed = 0; killed < kills || killedAtMs.size > 0; ) {
    for (const [sale, sinceMs] of killedAtMs)
      if (await hasRecovered(arena, sale, sinceMs)) killedAtMs.delete(sale);
    const sale = random.pick(crowd.sales);
    const holder = killed < kills && !killedAtMs.has(sale) ? await holderOf(stack, sale) : undefined;
    if (holder === undefined) {
      await delay(lookEveryMs);
      continue;
    }
    killed += 1;
    arena.injected(`worker ${holder} killed`);
    killedAtMs.set(sale, Date.now());
    await stack.killWorker(holder, 'SIGKILL');
    stack.startWorker();
    await delay(random.between(0, pauseMostMs));
  }
}

/** P9. */
async function hasRecovered(arena: Arena, sale: Sale, sinceMs: number): Promise<boolean> {
  const at = await settledAfter(arena.stack, sale, sinceMs);
  const ms = (at ?? Date.now()) - sinceMs;
  if (at === undefined && ms < nextSettlementWithinMs) return false;
  arena.recovered(ms);
  if (ms >= nextSettlementWithinMs) arena.finding(`"${sale.name}" settled nothing for ${ms} ms after a kill`);
  return true;
}

async function recover(arena: Arena, sale: Sale, sinceMs: number): Promise<void> {
  await awaitUntil(
    'the next settlement',
    () => hasRecovered(arena, sale, sinceMs),
    nextSettlementWithinMs * 2,
  );
}

async function awaitHolder({ stack }: Arena, sale: Sale): Promise<number> {
  const holder = await awaitUntil('a worker to have the lane', async () => {
    const index = await holderOf(stack, sale);
    return index !== undefined && [index];
  });
  return holder[0]!;
}

/** The worker dies while its statement waits for the coupon's row: nobody hears of the commit. */
async function killInSettlement(arena: Arena, sale: Sale): Promise<void> {
  const { stack } = arena;
  const locker = await openSession({ url: stack.database, applicationName: 'system tests' });
  await locker.sql`begin`;
  await locker.sql`select 1 from coupons where name = ${sale.name} for update`;
  await awaitUntil('a settlement to wait for the row', async () => {
    const [row] = await stack.sql`
      select count(*)::int as waiting from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock' and query ilike '%claims%'`;
    return row!.waiting > 0;
  });
  const holder = await awaitHolder(arena, sale);
  arena.injected(`worker ${holder} killed in a settlement`);
  await stack.killWorker(holder, 'SIGKILL');
  stack.startWorker();
  await locker.sql`commit`;
  await locker.close();
  const sinceMs = Date.now();
  await recover(arena, sale, sinceMs);
}

/** The settlement commits, and what follows it does not reach Redis: the worker dies before its job counts as done. */
async function killAfterCommit(arena: Arena, sale: Sale): Promise<void> {
  const { stack } = arena;
  const way = stack.ways!.workers.redis!;
  const holder = await awaitHolder(arena, sale);
  const heldAtMs = Date.now();
  way.holdRequests();
  // What was in hand commits within a moment; where nothing was, the worker just waits.
  const commit = () => settledAfter(stack, sale, heldAtMs);
  await awaitUntil('a commit', commit, 1_000).catch(() => {});
  arena.injected(`worker ${holder} killed between commit and the end of its job`);
  const sinceMs = Date.now();
  await stack.killWorker(holder, 'SIGKILL');
  stack.startWorker();
  way.release();
  await recover(arena, sale, sinceMs);
}
