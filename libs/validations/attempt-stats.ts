import type { Sql } from '@claimline/db/pool';
import { type Reason, reasons } from './attempt.ts';
import { findCouponId } from './list-attempts.ts';

/** How the attempts on a coupon came out since it was created. Times are null where there was none. */
export type AttemptStats = {
  attempts: number;
  valid: number;
  invalid: number;
  by_reason: Record<Reason, number>;
  response_ms: { avg: number | null; min: number | null; max: number | null; p95: number | null };
};

type CountRow = {
  reason: Reason | '';
  bucket: number;
  attempts: number;
  total_us: number;
  min_us: number;
  max_us: number;
};

/**
 * Adds up the counters of a coupon, which are a few rows however many attempts there were. p95 is the middle of its
 * bucket, so it may be off by a fifth. Error: `coupon_not_found`.
 */
export async function readAttemptStats(sql: Sql, couponName: string): Promise<AttemptStats> {
  const couponId = await findCouponId(sql, couponName);
  const rows = await sql<CountRow[]>`
    select reason, bucket, attempts, total_us, min_us, max_us from validation_counts where coupon_id = ${couponId}`;
  const countOf = (some: CountRow[]) => some.reduce((sum, row) => sum + row.attempts, 0);
  const attempts = countOf(rows);
  const valid = countOf(rows.filter(row => row.reason === ''));
  const by_reason = Object.fromEntries(
    reasons.map(reason => [reason, countOf(rows.filter(row => row.reason === reason))]),
  ) as Record<Reason, number>;
  return { attempts, valid, invalid: attempts - valid, by_reason, response_ms: timesOf(rows, attempts) };
}

function timesOf(rows: CountRow[], attempts: number): AttemptStats['response_ms'] {
  if (attempts === 0) return { avg: null, min: null, max: null, p95: null };
  const min = Math.min(...rows.map(row => row.min_us));
  const max = Math.max(...rows.map(row => row.max_us));
  const total = rows.reduce((sum, row) => sum + row.total_us, 0);
  const p95 = Math.min(max, Math.max(min, percentileUs(rows, 0.95 * attempts)));
  return { avg: toMs(total / attempts), min: toMs(min), max: toMs(max), p95: toMs(p95) };
}

/** About the time that `rank` of the attempts do not exceed: where they are in its bucket is not known. */
function percentileUs(rows: CountRow[], rank: number): number {
  let seen = 0;
  for (const { bucket, attempts } of rows.toSorted((a, b) => a.bucket - b.bucket)) {
    seen += attempts;
    if (seen >= rank) return bucketMiddleUs(bucket);
  }
  return Number.POSITIVE_INFINITY;
}

/** Between half powers of two, which its ends are as validation_bucket in the migration has it. */
function bucketMiddleUs(bucket: number): number {
  return 2 ** ((bucket + 0.5) / 2);
}

function toMs(us: number): number {
  return Math.round(us) / 1000;
}
