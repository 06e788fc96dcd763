import type { Options } from 'k6/options';
import { claims, type Said } from './counts.ts';
import { WARM_UP_AT_ONCE } from './warm-up.ts';

const limits = {
  /** Waiting for the line to be empty, and reading all claims. */
  teardownS: 300,
  setupS: 60,
} as const;

/**
 * The options that all scenarios share. A run fails when somebody did not arrive, when a claim was answered in
 * another way than `possible`, when a coupon's counts are not exact, and when claims took too long.
 */
export function buildOptions(plan: {
  scenarios: Options['scenarios'];
  /** Iterations that must have done their work. */
  arrivals: number;
  possible: Said[];
  /** Coupons whose counts are checked. */
  coupons: number;
  p95Ms: number;
  p99Ms: number;
  /** The most requests of one iteration at once. */
  batch?: number;
}): Options {
  const batch = Math.max(WARM_UP_AT_ONCE, plan.batch ?? 1);
  const impossible = (Object.keys(claims) as Said[]).filter(said => !plan.possible.includes(said));
  return {
    scenarios: plan.scenarios!,
    thresholds: {
      ...Object.fromEntries(impossible.map(said => [`claims_${said}`, ['count==0']])),
      arrivals: [`count==${plan.arrivals}`],
      dropped_iterations: ['count==0'],
      tickets_undecided: ['count==0'],
      reads_unexpected: ['count==0'],
      coupons_wrong: ['count==0'],
      // A check that was not made is no pass.
      coupons_exact: [`count==${plan.coupons}`],
      grants_unaccounted: ['count==0'],
      latency_claim: [`p(95)<${plan.p95Ms}`, `p(99)<${plan.p99Ms}`],
    },
    summaryTrendStats: ['med', 'p(95)', 'p(99)', 'max'],
    // Tags would be written to every sample, and nothing here asks for them.
    systemTags: [],
    batch,
    batchPerHost: batch,
    setupTimeout: `${limits.setupS}s`,
    teardownTimeout: `${limits.teardownS}s`,
  };
}
