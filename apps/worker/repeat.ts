import type { Logger } from '@claimline/telemetry/log';

/** `run` answers how much it did, or found. 0 `everyMs` is never. */
export type Job = { name: string; everyMs: number; run: () => Promise<number | undefined> };

/** Runs a job from time to time, but not while its last run is under way: slow runs would pile up. */
export function repeat(
  { name, everyMs, run }: Job,
  log: Pick<Logger, 'info' | 'error'>,
): ReturnType<typeof setInterval> {
  let isRunning = false;
  return setInterval(async () => {
    if (isRunning) return;
    isRunning = true;
    try {
      const done = await run();
      if (done) log.info({ job: name, done }, 'scheduled job');
    } catch (error) {
      log.error({ err: error, job: name }, 'scheduled job failed');
    } finally {
      isRunning = false;
    }
  }, everyMs);
}
