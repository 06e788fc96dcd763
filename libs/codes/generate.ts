import { isTransient } from '@claimline/db/error';
import type { Sql } from '@claimline/db/pool';
import { backoffMs, pause } from '@claimline/kernel/backoff';
import { createDraw, drawMany } from './draw.ts';
import { finishRun, leaseRun, type RunRow, readRun, releaseRun } from './runs.ts';
import { storeCodes, storeLimits, tidyCodes } from './store.ts';

export const generateLimits = {
  /** A run gives up once it has skipped so many times its quantity, and at least this many: nothing is left to draw. */
  skippedFactor: 4,
  skippedLeast: 10_000,
  /** Tries of a batch while Postgres is away; then another process carries the run on. */
  tries: 5,
  retryBaseMs: 100,
  retryMostMs: 2000,
} as const;

/** `onBatch` is told after every batch; `stopping` ends the work after one, and others may carry the run on. */
type HowToWork = { onBatch?: (run: RunRow) => void; stopping?: AbortSignal };

/**
 * Works on a run until it is done, batch by batch, each counted by the statement that stores it: whoever
 * carries a run on after a crash makes exactly what is missing. Answers with the run as it stands then,
 * which may have made less than its quantity where nothing new is left to draw, or is running still where it was ended.
 */
export async function workOnRun(sql: Sql, id: string, how: HowToWork = {}): Promise<RunRow> {
  const run = await leaseRun(sql, id);
  if (!run) return readRun(sql, id);
  try {
    if (!(await storeAll(sql, run, how))) return releaseRun(sql, id);
  } catch (error) {
    if (!isTransient(error)) await finishRun(sql, id); // It would fail again, whoever carried it on.
    throw error;
  }
  await finishRun(sql, id);
  await tidyCodes(sql, run.created);
  return readRun(sql, id);
}

/** Answers whether there is nothing left to do. */
async function storeAll(sql: Sql, run: RunRow, { onBatch, stopping }: HowToWork): Promise<boolean> {
  const draw = createDraw(run.recipe);
  while (run.created < run.quantity && run.skipped < skippedMost(run.quantity)) {
    if (stopping?.aborted) return false;
    const codes = drawMany(draw, Math.min(storeLimits.batch, run.quantity - run.created));
    await storeBatch(sql, run, codes);
    // Read and not added up: a batch whose answer was lost with the connection counts as well.
    Object.assign(run, await readRun(sql, run.id));
    onBatch?.(run);
  }
  return true;
}

/** A batch that was stored although its answer was lost is not made again: those codes are skipped. */
async function storeBatch(sql: Sql, run: RunRow, codes: string[]): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await storeCodes(sql, { couponName: run.coupon_name, codes, runId: run.id });
      return;
    } catch (error) {
      if (!isTransient(error) || attempt === generateLimits.tries) throw error;
      const { retryBaseMs: baseMs, retryMostMs: maxMs } = generateLimits;
      await pause(backoffMs(attempt, { baseMs, maxMs }));
    }
  }
}

function skippedMost(quantity: number): number {
  return Math.max(generateLimits.skippedLeast, generateLimits.skippedFactor * quantity);
}

/** Carries on the runs whose process is gone; answers how many. Error: those of the last one that failed. */
export async function resumeRuns(sql: Sql): Promise<number> {
  const runs = await sql<{ id: string }[]>`
    select id from code_runs where status = 'running' and leased_until <= now() - interval '1 s' order by started_at`;
  const failures: unknown[] = [];
  for (const { id } of runs) await workOnRun(sql, id).catch(error => failures.push(error));
  if (failures.length > 0) throw failures.at(-1);
  return runs.length;
}
