import { setTimeout as delay } from 'node:timers/promises';
import type { Engine } from '@claimline/queue/engine';
import type { Arena } from './arena.ts';
import type { Fault } from './fault.ts';
import { withOwnEngine } from './own-engine.ts';
import type { Sale } from './sale.ts';

const jobsMost = 1_000;
/** About as many as an API adds at once under this load, and more. */
const claimsOfJob = 10;
const standingMs = 1_000;
const runningMs = 700;

type JobClaim = [ticket: string, user: string, line: number];
/** Tickets that were delivered again, while they waited and when they were decided. */
type Delivered = { waiting: Set<string>; decided: Set<string> };

/** Every claim of a sale is delivered again, those that wait and those that are decided, in shuffled order. */
export const jobsTwice: Fault = {
  id: 'F7',
  title: 'every claim delivered twice, in shuffled order',
  async run(arena) {
    const { stack, sized } = arena;
    const crowd = await arena.crowd({ hasShort: false, sales: 2 });
    const done = new Map<Sale, Delivered>(
      crowd.sales.map(sale => [sale, { waiting: new Set(), decided: new Set() }]),
    );
    let delivered = 0;
    await withOwnEngine(stack, async engine => {
      for (let round = 0; round < sized(2, 3, 20); round++)
        for (const sale of crowd.sales) {
          const count = await stack.whileWorkersStand(() =>
            addAgain(arena, engine, { sale, round, done: done.get(sale)! }),
          );
          delivered += count;
          arena.injected(`${count} claims again`);
          const sinceMs = Date.now();
          await delay(runningMs);
          await crowd.recovers(sinceMs, sale);
        }
    });
    arena.figure(`${delivered} claims delivered again, in other jobs`);
    await crowd.seeOut();
  },
};

/**
 * Adds the claims of a sale in other jobs, once some have piled up; answers how many. Those that wait are in the queue,
 * and those that were decided since the last time in the tables: few of their jobs are kept.
 * Each once: who repeats repetitions has a line that doubles with every round.
 */
async function addAgain(
  { stack, random }: Arena,
  engine: Engine,
  { sale, round, done }: { sale: Sale; round: number; done: Delivered },
): Promise<number> {
  await delay(standingMs);
  const lane = `claims.${sale.id}`;
  const { jobs } = await engine.listUndecided(lane, jobsMost);
  const waiting = (jobs as { claims: JobClaim[] }[]).filter(job =>
    job.claims.some(([ticket]) => !done.waiting.has(ticket)),
  );
  for (const [ticket] of waiting.flatMap(job => job.claims)) done.waiting.add(ticket);
  const rows = await stack.sql<{ ticket: string; user: string; line: number }[]>`
    select ticket, user_id as user, sequence::int as line from claims where coupon_name = ${sale.name}
    union all select ticket, user_id, 0 from refusals where coupon_name = ${sale.name}`;
  const decided = rows.filter(({ ticket }) => !done.decided.has(ticket));
  for (const { ticket } of decided) done.decided.add(ticket);
  const claims = random.shuffled(decided.map(({ ticket, user, line }): JobClaim => [ticket, user, line]));
  const again: unknown[] = [...waiting];
  for (let from = 0; from < claims.length; from += claimsOfJob)
    again.push({ coupon: sale.id, name: sale.name, claims: claims.slice(from, from + claimsOfJob) });
  for (const [index, data] of random.shuffled(again).entries())
    await engine.add(lane, { id: `again-${round}-${index}`, name: sale.name, data });
  return claims.length + waiting.reduce((sum, job) => sum + job.claims.length, 0);
}
