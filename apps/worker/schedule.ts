import { pruneNotices, resumePayments } from '@claimline/bookings/jobs';
import { createLineMender, mendGates, pruneRefusals } from '@claimline/claims/jobs';
import { resumeRuns, sweepLocks } from '@claimline/codes/jobs';
import { lastFinished, noteFinished, oneAtATime, whenDue } from '@claimline/db/one-at-a-time';
import type { Sql } from '@claimline/db/pool';
import { pruneIdempotencyKeys } from '@claimline/http/idempotency-rows';
import { openProviders } from '@claimline/payments';
import { sendMockWebhooks } from '@claimline/payments/jobs';
import type { Engine } from '@claimline/queue/engine';
import { createLaneWanting, pruneReservationRefusals, sweepReservations } from '@claimline/seats/jobs';
import type { Logger } from '@claimline/telemetry/log';
import { metrics } from '@claimline/telemetry/metrics';
import { pruneValidations } from '@claimline/validations/jobs';
import { parseSecretKeys } from '@claimline/webhooks';
import { pruneLanes, pruneMessages, renewSecrets } from '@claimline/webhooks/jobs';
import type { Config } from '../config.ts';
import { faultPoint, paymentSettings } from '../payments.ts';
import { watchInvariants } from '../verify.ts';
import { type Job, repeat } from './repeat.ts';

const HOUR_MS = 3_600_000;
/** Half of the minute within which a lapsed lock is promised to be taken off. */
const LOCK_SWEEP_MS = 30_000;
/** Well within the minute in which a lapsed reservation is promised to be told of; a look into an index. */
const RESERVATION_SWEEP_MS = 10_000;
const RESUME_MS = 10_000;
const PAYMENT_SWEEP_MS = 5000;
const MOCK_WEBHOOKS_MS = 1000;
/** To verify hundreds of millions of rows takes long: never more than a twentieth of the time. */
const VERIFY_PAUSE_TIMES = 20;

type House = { config: Config; databaseUrl: string; sql: Sql; engine: Engine; log: Logger };

/** What workers do from time to time. Each is safe to run in several processes at once, and has one run at a time in this. */
export function startSchedule(house: House) {
  const repeated = jobsOf(house)
    .filter(job => job.everyMs > 0)
    .map(job => repeat(job, house.log));
  return {
    stop() {
      for (const { stop } of repeated) stop();
    },
  };
}

function jobsOf({ config, databaseUrl, sql, engine, log }: House): Job[] {
  const mendLines = createLineMender({ sql, engine });
  const wantLanes = createLaneWanting({ sql, engine });
  const mendMs = config.MEND_SECONDS * 1000;
  const verifyMs = config.VERIFY_SECONDS * 1000;
  const bookings = {
    sql,
    // Whatever the API has begun with the mock is brought to its end.
    providers: openProviders(sql, { ...paymentSettings(config), takesMock: true }),
    pendingSeconds: config.PAYMENT_PENDING_SECONDS,
    reach: faultPoint(config, log),
  };
  let verifiedHere: string | undefined;
  const onError = (error: unknown) => {
    metrics.errors.inc({ where: 'schedule' });
    log.error({ err: error }, 'a payment could not be carried on');
  };
  return [
    { name: 'prune refusals', everyMs: HOUR_MS, run: () => pruneRefusals(sql, config.REFUSALS_KEPT_DAYS) },
    {
      name: 'prune validations',
      everyMs: HOUR_MS,
      run: () => pruneValidations(sql, config.VALIDATION_LOG_DAYS),
    },
    { name: 'prune idempotency keys', everyMs: HOUR_MS, run: () => pruneIdempotencyKeys(sql) },
    {
      name: 'prune webhook messages',
      everyMs: HOUR_MS,
      run: () => pruneMessages(sql, config.WEBHOOK_MESSAGES_KEPT_DAYS),
    },
    { name: 'prune webhook lanes', everyMs: HOUR_MS, run: () => pruneLanes({ sql, engine }) },
    {
      name: 'renew webhook secrets',
      everyMs: HOUR_MS,
      run: () => renewSecrets(sql, parseSecretKeys(config.WEBHOOK_SECRET_KEY ?? '')),
    },
    { name: 'sweep lapsed locks', everyMs: LOCK_SWEEP_MS, run: () => sweepLocks(sql) },
    { name: 'sweep reservations', everyMs: RESERVATION_SWEEP_MS, run: () => sweepReservations(sql) },
    { name: 'want forgotten seat lanes', everyMs: mendMs, run: wantLanes },
    {
      name: 'prune reservation refusals',
      everyMs: HOUR_MS,
      run: () => pruneReservationRefusals(sql, config.REFUSALS_KEPT_DAYS),
    },
    { name: 'resume code runs', everyMs: RESUME_MS, run: () => resumeRuns(sql) },
    { name: 'resume payments', everyMs: PAYMENT_SWEEP_MS, run: () => resumePayments(bookings, onError) },
    { name: 'prune payment webhooks', everyMs: HOUR_MS, run: () => pruneNotices(sql) },
    { name: 'send webhooks of the mock', everyMs: MOCK_WEBHOOKS_MS, run: () => sendMockWebhooks(sql) },
    {
      name: 'mend lines',
      everyMs: mendMs,
      // One of all workers does it, and never beside the repairs of a `claimline reconcile`.
      run: () =>
        whenDue(sql, 'mend lines', { everyMs: mendMs }, () =>
          oneAtATime(databaseUrl, 'reconcile', mendLines),
        ),
    },
    {
      name: 'verify',
      everyMs: verifyMs,
      async run() {
        const stores = { sql, engine, mendSeconds: config.MEND_SECONDS };
        const every = { everyMs: verifyMs, pauseTimes: VERIFY_PAUSE_TIMES };
        const report = await whenDue(sql, 'verify', every, () => watchInvariants({ databaseUrl, stores }));
        if (report) verifiedHere = await noteFinished(sql, 'verify');
        // Somebody else has finished one since: the figures of this process are out of date.
        else if (verifiedHere !== (await lastFinished(sql, 'verify'))) metrics.violations.reset();
        if (report && mendMs > 0) await mendGates(stores, report.invariants);
        const violations = report?.invariants.reduce((sum, one) => sum + one.violations, 0);
        if (violations) log.error({ violations }, 'invariants are violated: run `claimline verify`');
        return violations;
      },
    },
  ];
}
