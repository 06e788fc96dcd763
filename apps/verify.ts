import { bookingCheck } from '@claimline/bookings/verify';
import { claimChecks, verifyStores } from '@claimline/claims/verify';
import { codeCheck, stockCheck } from '@claimline/codes/verify';
import { type Check, type Progress, runChecks, type Verdict } from '@claimline/db/checks';
import { oneAtATime } from '@claimline/db/one-at-a-time';
import type { Sql } from '@claimline/db/pool';
import type { Engine } from '@claimline/queue/engine';
import { seatCheck } from '@claimline/seats/verify';
import { metrics } from '@claimline/telemetry/metrics';
import { validationCheck } from '@claimline/validations/verify';
import { webhookCheck } from '@claimline/webhooks/verify';

/** What every slice promises about its tables, in the order in which it is told. */
const checks: Check[] = [
  ...claimChecks,
  ...[stockCheck, codeCheck, validationCheck, seatCheck, bookingCheck, webhookCheck],
];

/** What a verification found. `ok`: no invariant is violated. Notes are allowed, and worth a look. */
export type Report = { ok: boolean; coupon: string | null; seconds: number; invariants: Verdict[] };

/** What is verified: the tables, and gate and queue against them where `stores` are given. `mendSeconds`: MEND_SECONDS. */
export type Subject = {
  databaseUrl: string;
  stores: { sql: Sql; engine: Engine; mendSeconds: number } | null;
};

/**
 * Proves every invariant, of all coupons or of one: each check of the tables in a snapshot of its own, then gate
 * and queue against the tables. Reads only, and gives no false alarm while sales go on.
 */
export async function verify(
  { databaseUrl, stores }: Subject,
  { coupon = null, onProgress }: { coupon?: string | null; onProgress?: Progress } = {},
): Promise<Report> {
  const startedMs = performance.now();
  const invariants = await runChecks(databaseUrl, checks, { coupon, onProgress });
  if (stores) {
    const mendMs = stores.mendSeconds * 1000;
    invariants.push(...(await verifyStores(stores, { coupon, mendMs, onProgress })));
  }
  const seconds = Math.round(performance.now() - startedMs) / 1000;
  return { ok: invariants.every(one => one.violations === 0), coupon, seconds, invariants };
}

/** Verifies everything and counts the violations in the metrics; answers undefined when another process is at it. */
export async function watchInvariants(subject: Subject): Promise<Report | undefined> {
  const report = await oneAtATime(subject.databaseUrl, 'verify', () => verify(subject));
  if (!report) return undefined;
  for (const { name, violations } of report.invariants)
    metrics.violations.set({ invariant: name }, violations);
  metrics.verifiedAt.setToCurrentTime();
  return report;
}
