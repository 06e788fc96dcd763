import { randomBytes } from 'node:crypto';
import { createCoupon } from '../coupon.ts';
import {
  type Histogram,
  mergeHistograms,
  type PackedHistogram,
  summarize,
  unpackHistogram,
} from '../histogram.ts';
import { measure } from '../measure.ts';
import { runBaseline } from '../measure-baseline.ts';
import { runToEnd } from '../process.ts';
import type { Stack } from '../stack.ts';
import { GRANTED } from '../subject.ts';
import { whole } from '../table.ts';
import {
  type Experiment,
  type Finding,
  type Lab,
  ms,
  ROUND_OVERHEAD_SECONDS,
  type Row,
  ratio,
  START_SECONDS,
  WARM_UP_SECONDS,
} from './finding.ts';
import { onStack } from './on-stack.ts';

/* T3: from the 202 to the outcome, beside one bare BullMQ hop and one commit. */

const LIMITS = { p50Ms: 10, p99Ms: 250, timesReference: 3 } as const;
const ENDLESS_AMOUNT = 2_000_000_000;
const CASES = 4;

export const outcomes: Experiment = {
  targets: ['T3'],
  seconds: ({ outcomeRounds, seconds }) =>
    START_SECONDS +
    2 * (WARM_UP_SECONDS + seconds + ROUND_OVERHEAD_SECONDS) +
    outcomeRounds * CASES * (seconds + ROUND_OVERHEAD_SECONDS),
  async run(lab) {
    lab.step('T3: starting', START_SECONDS);
    return onStack({}, async stack => {
      const { redisUrl, databaseUrl } = stack.stores.claimline!;
      await stack.addNode('hop-worker', [
        'loadtest/baselines/bullmq-worker.ts',
        'hop',
        redisUrl,
        databaseUrl,
      ]);
      return [await measureOutcomes(lab, stack)];
    });
  },
};

async function measureOutcomes(lab: Lab, stack: Stack): Promise<Finding> {
  const { plan } = lab;
  const { seconds, connections, quietRate } = plan;
  const fastest = { seconds, connections, rate: 0 };
  lab.step('T3: how fast each can be', 2 * (WARM_UP_SECONDS + seconds + ROUND_OVERHEAD_SECONDS));
  await measure(stack, GRANTED, { ...fastest, seconds: WARM_UP_SECONDS });
  const claimlineMost = (await measure(stack, GRANTED, fastest)).settledPerSecond;
  await runHop(stack, { seconds: WARM_UP_SECONDS, connections });
  const hop = await runHop(stack, { seconds, connections });
  const hopMost = Math.round((hop.settled * 1000) / hop.settledMs);

  const cases = [
    { name: `claims at ${quietRate}/s`, run: () => runClaims(stack, quietRate, plan) },
    { name: `hops at ${quietRate}/s`, run: () => runHopAtRate(stack, quietRate, plan) },
    { name: 'claims at half speed', run: () => runClaims(stack, claimlineMost / 2, plan) },
    { name: 'hops at half speed', run: () => runHopAtRate(stack, hopMost / 2, plan) },
  ];
  const times = cases.map((): Histogram[] => []);
  for (let round = 1; round <= plan.outcomeRounds; round++) {
    for (const [index, one] of cases.entries()) {
      lab.step(`T3 round ${round}/${plan.outcomeRounds}: ${one.name}`, seconds + ROUND_OVERHEAD_SECONDS);
      times[index]!.push(unpackHistogram(await one.run()));
    }
  }
  const [quiet, quietHop, half, halfHop] = times.map(histograms => summarize(mergeHistograms(histograms)));
  const hopAt = `a hop at ${whole(hopMost / 2)}/s, half of its own speed`;
  const wanted = [
    { percentile: 'p50' as const, ms: LIMITS.p50Ms },
    { percentile: 'p99' as const, ms: LIMITS.p99Ms },
  ];
  return {
    target: 'T3',
    rows: [
      outcomeRow(`at ${whole(quietRate)}/s`, quiet!, quietHop!, `a hop at ${whole(quietRate)}/s`),
      outcomeRow(`at ${whole(claimlineMost / 2)}/s, half of T2`, half!, halfHop!, hopAt),
    ],
    speeds: [{ label: 'bullmq and a commit a job', perSecond: hopMost, kind: 'baseline' }],
    latencies: [
      { label: `T3 outcome at ${whole(quietRate)}/s`, latency: quiet!, kind: 'claimline', wanted },
      { label: `hop and commit at ${whole(quietRate)}/s`, latency: quietHop!, kind: 'baseline' },
      { label: `T3 outcome at ${whole(claimlineMost / 2)}/s`, latency: half!, kind: 'claimline', wanted },
      { label: `hop and commit at ${whole(hopMost / 2)}/s`, latency: halfHop!, kind: 'baseline' },
    ],
    cores: [],
    notes: [
      `T3: a bare hop with a commit a job gets to ${whole(hopMost)}/s at most, so at half of T2's rate there is nothing to compare with; it is measured at half of its own speed instead.`,
    ],
  };
}

type Summary = ReturnType<typeof summarize>;

function outcomeRow(at: string, claims: Summary, hops: Summary, reference: string): Row {
  const p50Ratio = claims.p50Ms / hops.p50Ms;
  const p99Ratio = claims.p99Ms / hops.p99Ms;
  return {
    work: `from the 202 to the outcome, ${at}`,
    target: `p50 <= ${LIMITS.p50Ms} ms, p99 <= ${LIMITS.p99Ms} ms, both <= ${LIMITS.timesReference} x ${reference}`,
    figure:
      `p50 ${ms(claims.p50Ms)} (hop ${ms(hops.p50Ms)}, ${ratio(p50Ratio)} x), ` +
      `p99 ${ms(claims.p99Ms)} (hop ${ms(hops.p99Ms)}, ${ratio(p99Ratio)} x)`,
    met:
      claims.p50Ms <= LIMITS.p50Ms &&
      claims.p99Ms <= LIMITS.p99Ms &&
      Math.max(p50Ratio, p99Ratio) <= LIMITS.timesReference,
  };
}

async function runClaims(stack: Stack, rate: number, plan: Lab['plan']): Promise<PackedHistogram> {
  const url = stack.urls.claimline![0]!;
  const coupon = `load-outcomes-${randomBytes(4).toString('hex')}`;
  await createCoupon(url, coupon, ENDLESS_AMOUNT);
  const options = {
    target: url,
    coupon,
    database: stack.stores.claimline!.databaseUrl,
    rate: Math.round(rate),
    seconds: plan.seconds,
    connections: plan.connections,
  };
  const args = [
    ...['--import', 'tsx', 'loadtest/outcome-times.ts'],
    ...Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]),
  ];
  const output = await runToEnd({ name: 'outcomes', command: process.execPath, args, folder: stack.folder });
  return (JSON.parse(output) as { outcomes: PackedHistogram }).outcomes;
}

function runHop(stack: Stack, options: Record<string, number>) {
  const { redisUrl, databaseUrl } = stack.stores.claimline!;
  return runBaseline(stack, 'bullmq', { queue: 'hop', redis: redisUrl, database: databaseUrl, ...options });
}

async function runHopAtRate(stack: Stack, rate: number, plan: Lab['plan']): Promise<PackedHistogram> {
  return (await runHop(stack, { rate: Math.round(rate), seconds: plan.seconds })).outcomes!;
}
