import { pruneRefusals } from '@claimline/claims/jobs';
import type { Sql } from '@claimline/db/pool';
import { pruneIdempotencyKeys } from '@claimline/http/idempotency-rows';
import type { Logger } from '@claimline/telemetry/log';
import type { Config } from '../config.ts';

const HOUR_MS = 3_600_000;

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
  ];
  const timers = jobs.map(job =>
    setInterval(() => {
      job.run().then(
        done => log.info({ job: job.name, done }, 'scheduled job'),
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
