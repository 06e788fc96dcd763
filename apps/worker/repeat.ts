import type { Logger } from '@claimline/telemetry/log';
import { metrics } from '@claimline/telemetry/metrics';

/** `run` answers how much it did, or found. 0 `everyMs` is never. */
export type Job = { name: string; everyMs: number; run: () => Promise<number | undefined> };

/**
 * What is seldom due is first done within this, at random: else a worker that lives for less than the time between
 * two runs would never do it. Workers that are started together do not do it together.
 */
const FIRST_RUN_MS = 5 * 60_000;

/** Runs a job from time to time, but not while its last run is under way: slow runs would pile up. */
export function repeat(
  { name, everyMs, run }: Job,
  log: Pick<Logger, 'info' | 'error'>,
): { stop: () => void } {
  let isRunning = false;
  async function runUnlessRunning() {
    if (isRunning) return;
    isRunning = true;
    try {
      const done = await run();
      if (done) log.info({ job: name, done }, 'scheduled job');
    } catch (error) {
      metrics.errors.inc({ where: 'schedule' });
      log.error({ err: error, job: name }, 'scheduled job failed');
    } finally {
      isRunning = false;
    }
  }
  let timer = setTimeout(
    () => {
      timer = setInterval(runUnlessRunning, everyMs);
      void runUnlessRunning();
    },
    Math.min(everyMs, Math.random() * FIRST_RUN_MS),
  );
  return { stop: () => clearTimeout(timer) }; // Of either kind.
}
