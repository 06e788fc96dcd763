import { reconcile } from '@claimline/claims/reconcile';
import { stockCheck } from '@claimline/codes/verify';
import { oneAtATime } from '@claimline/db/one-at-a-time';
import { pause } from '@claimline/kernel/backoff';
import { openProgressBar } from './progress-bar.ts';
import { requireCoupon, withStores } from './stores.ts';

const limits = {
  /** Tries to be the only one: a worker's own round of mending takes moments. */
  tries: 20,
  retryMs: 250,
} as const;

type Options = { coupon?: string; json?: true; repair?: true };

/**
 * `claimline reconcile`: prints what differs between gate, queue and tables, and with --repair puts it
 * right. Answers 0 when nothing differs or all of it was repaired, 1 when something is left; what is only noted
 * does not count. Workers go on mending meanwhile, but for the moments of the repairs.
 * @throws Error when it could not be compared, or another process is at repairs
 */
export async function runReconcile({ coupon: name, json, repair }: Options): Promise<0 | 1> {
  const bar = openProgressBar();
  const { drift, noted, done, left } = await withStores(async ({ databaseUrl, sql, openQueue }) => {
    const coupon = await requireCoupon(sql, name);
    const house = { databaseUrl, sql, engine: await openQueue() };
    const run = (isRepairing: boolean) =>
      reconcile(house, {
        ...{ coupon, isRepairing, stockChecks: [stockCheck], onProgress: bar.onProgress },
        alone: work => alone(databaseUrl, work),
      });
    const found = await run(Boolean(repair));
    const again = repair && found.drift.length > 0 ? await run(false) : found;
    return { ...found, left: again.drift.length };
  }).finally(bar.clear);
  if (json) process.stdout.write(`${JSON.stringify({ drift, noted, done, left })}\n`);
  else {
    for (const one of drift)
      process.stdout.write(
        `${one.invariant}: ${JSON.stringify(one.found)}\n    ${one.repair ?? 'nothing here can repair this: it is for you to decide'}\n`,
      );
    for (const { invariant, found, count, repair: does } of noted)
      process.stdout.write(
        `noted: ${invariant}: ${count > 1 ? `${count} like ` : ''}${JSON.stringify(found)}\n    ${does ?? 'this is allowed'}\n`,
      );
    for (const line of done) process.stdout.write(`done: ${line}\n`);
    const hint = left > 0 && !repair ? '; --repair puts right what it can' : '';
    process.stdout.write(`${drift.length} found, ${left} left${hint}\n`);
  }
  return left === 0 ? 0 : 1;
}

async function alone<T>(databaseUrl: string, run: () => Promise<T>): Promise<T> {
  for (let attempt = 1; attempt <= limits.tries; attempt++) {
    const result = await oneAtATime(databaseUrl, 'reconcile', async () => ({ value: await run() }));
    if (result) return result.value;
    await pause(limits.retryMs);
  }
  throw new Error('another process repairs at this moment');
}
