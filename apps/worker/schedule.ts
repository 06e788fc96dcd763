import { pruneRefusals } from '@claimline/claims/jobs';
import { resumeRuns, sweepLocks } from '@claimline/codes/jobs';
import type { Sql } from '@claimline/db/pool';
import { pruneIdempotencyKeys } from '@claimline/http/idempotency-rows';
import type { Logger } from '@claimline/telemetry/log';
import type { Config } from '../config.ts';

const HOUR_MS = 3_600_000;
/** Half of the minute within which a lapsed lock is promised to be taken off. */
const LOCK_SWEEP_MS = 30_000;
const RESUME_MS = 10_000;

/** What every worker does from time to time. Each is safe to run in several processes at once. */
export function startSchedule({ config, sql, log }: { config: Config; sql: Sql; log: Logger }) {
  const jobs = [
    {
      name: 'prune refusals',
      everyMs: HOUR_MS,
      run: () => pruneRefusals(sql, config.REFUSALS_KEPT_DAYS),
    },
    {
      name: 'prune idempotency keys',
      everyMs: HOUR_MS,
      run: () => pruneIdempotencyKeys(sql),
    },
    {
      name: 'sweep lapsed locks',
      everyMs: LOCK_SWEEP_MS,
      run: () => sweepLocks(sql),
    },
    {
      name: 'resume code runs',
      everyMs: RESUME_MS,
      run: () => resumeRuns(sql),
    },
  ];
  const timers = jobs.map(job =>
    setInterval(() => {
      job.run().then(
        done => log[done > 0 ? 'info' : 'debug']({ job: job.name, done }, 'scheduled job'),
        error => log.error({ err: error, job: job.name }, 'scheduled job failed'),
      );
    }, job.everyMs),
  );
  return {
    stop() {
      for (const timer of timers) clearInterval(timer);
    },
  };
}
