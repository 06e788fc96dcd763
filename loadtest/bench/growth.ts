import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { explainSettle } from '../explain-settle.ts';
import { type Fill, fillClaims } from '../fill.ts';
import { addNeighbor } from '../installation.ts';
import { measure } from '../measure.ts';
import { measureBaseline } from '../measure-baseline.ts';
import { describeMeasurement, type Entrant, runRounds } from '../rounds.ts';
import type { Stack } from '../stack.ts';
import { BULK, BUSY, BUSY_LANES, GRANTED, type Subject } from '../subject.ts';
import { medianRatio, type Round, summarizeRounds } from '../summary.ts';
import { whole } from '../table.ts';
import {
  type Experiment,
  type Finding,
  type Lab,
  ROUND_OVERHEAD_SECONDS,
  ratio,
  START_SECONDS,
  WARM_UP_SECONDS,
} from './finding.ts';
import { measureFootprint } from './footprint.ts';
import { onStack } from './on-stack.ts';

/* T6: what it costs to have much stored, many coupons busy, many claims in line and many lanes open. */

const LEAST = { stored: 0.9, busy: 0.7 } as const;
// For the estimate of the progress bar only.
const FILL_CLAIMS_PER_SECOND = 80_000;
const FOOTPRINT_SECONDS = 45;
const BUSY_WARM_UP_SECONDS = 3;

const ONE: Subject = { ...GRANTED, name: 'one', title: 'one coupon' };
const STORED: Subject = { ...GRANTED, name: 'stored', service: 'stored', title: 'claims stored' };
const BULK_STORED = { ...BULK, name: 'bulk-stored', title: `${BULK.title}, claims stored` };

export const growth: Experiment = {
  targets: ['T6'],
  seconds: ({ storedClaims, rounds, seconds }) =>
    2 * START_SECONDS +
    storedClaims / FILL_CLAIMS_PER_SECOND +
    5 * (WARM_UP_SECONDS + ROUND_OVERHEAD_SECONDS) +
    rounds * (5 * (seconds + ROUND_OVERHEAD_SECONDS) + BUSY_WARM_UP_SECONDS) +
    FOOTPRINT_SECONDS,
  async run(lab) {
    const finding = await onStack({ env: BUSY_LANES }, stack => measureGrowth(lab, stack));
    const footprint = await measureFootprint(lab);
    return [
      {
        ...finding,
        rows: [...finding.rows, ...footprint.rows],
        notes: [...finding.notes, ...footprint.notes],
      },
    ];
  },
};

async function measureGrowth(lab: Lab, stack: Stack): Promise<Finding> {
  const { plan, step, tell, folder } = lab;
  step('T6: starting', START_SECONDS);
  await addNeighbor(stack, 'stored', { apis: 1, workers: 1, env: BUSY_LANES });
  step(`T6: storing ${whole(plan.storedClaims)} claims`, plan.storedClaims / FILL_CLAIMS_PER_SECOND);
  const fill = await fillClaims(stack.stores.stored!.databaseUrl, plan.storedClaims);
  tell(
    `stored ${whole(fill.claims)} claims in ${fill.seconds.toFixed(0)} s, ${fill.megabytes.toFixed(0)} MB`,
  );

  const busy: Subject = { ...BUSY, title: 'busy coupons', coupons: plan.busyCoupons };
  const subjects = [ONE, STORED, busy, BULK, BULK_STORED];
  await runRounds(entrants(stack, subjects, plan, WARM_UP_SECONDS), 1, {
    onStart: (_, { name }) => step(`T6 warm-up: ${name}`, WARM_UP_SECONDS + ROUND_OVERHEAD_SECONDS),
  });
  const rounds = await runRounds(entrants(stack, subjects, plan, plan.seconds), plan.rounds, {
    onStart: (round, { name }) =>
      step(
        `T6 round ${round}/${plan.rounds}: ${name}`,
        plan.seconds + ROUND_OVERHEAD_SECONDS + (name === 'busy' ? BUSY_WARM_UP_SECONDS : 0),
      ),
    onEnd: (round, { name }, measurement) =>
      tell(`T6 round ${round}/${plan.rounds} ${name}: ${describeMeasurement(measurement)}`),
  });
  for (const [name, { databaseUrl }] of Object.entries(stack.stores))
    writeFileSync(join(folder, `settle-plan-${name}.txt`), `${await explainSettle(databaseUrl)}\n`);
  return findingOf(lab, busy, subjects, rounds, fill);
}

function entrants(stack: Stack, subjects: Subject[], plan: Lab['plan'], seconds: number): Entrant[] {
  const shape = { seconds, connections: plan.connections, rate: 0 };
  return subjects.map(subject => {
    if (subject.service !== 'bulk') return { ...subject, measure: () => measure(stack, subject, shape) };
    const store = subject === BULK ? 'claimline' : 'stored';
    const options = { database: stack.stores[store]!.databaseUrl, seconds: seconds / 2 };
    return { ...subject, measure: () => measureBaseline(stack, 'bulk', options) };
  });
}

function findingOf({ plan }: Lab, busy: Subject, subjects: Subject[], rounds: Round[], fill: Fill): Finding {
  const summaries = summarizeRounds(subjects, rounds);
  const of = (subject: Subject) => summaries.find(one => one.name === subject.name)!;
  const perSecond = (subject: Subject) => of(subject).settledPerSecond;
  const stored = medianRatio(STORED, ONE, rounds);
  const many = medianRatio(busy, ONE, rounds);
  const inPostgres = medianRatio(BULK_STORED, BULK, rounds);
  const storedText = `${whole(fill.claims)} claims stored`;
  const busyText = `${whole(plan.busyCoupons)} coupons busy at once`;
  return {
    target: 'T6',
    rows: [
      {
        work: `T2 with ${storedText}`,
        target: `>= ${LEAST.stored} x empty`,
        figure: `${whole(perSecond(STORED))}/s: ${ratio(stored)} x empty (${whole(perSecond(ONE))}/s)`,
        met: stored >= LEAST.stored,
      },
      {
        work: `T2 with ${busyText}`,
        target: `>= ${LEAST.busy} x one coupon`,
        figure: `${whole(perSecond(busy))}/s: ${ratio(many)} x one coupon (${whole(perSecond(ONE))}/s); ${whole(of(busy).acceptedPerSecond)}/s accepted, ${whole(of(busy).backlogAtEnd)} in line at the end`,
        met: many >= LEAST.busy,
      },
    ],
    speeds: [
      {
        label: `T6 with ${storedText}`,
        perSecond: perSecond(STORED),
        kind: 'claimline',
        wantedPerSecond: LEAST.stored * perSecond(ONE),
      },
      {
        label: `T6 with ${busyText}`,
        perSecond: perSecond(busy),
        kind: 'claimline',
        wantedPerSecond: LEAST.busy * perSecond(ONE),
      },
    ],
    latencies: [],
    cores: summaries.map(one => ({ ...one, title: `T6 ${one.title}` })),
    notes: [
      `T6: storing ${whole(fill.claims)} claims of ${fill.coupons} coupons took ${fill.seconds.toFixed(0)} s and ${fill.megabytes.toFixed(0)} MB, indexes included. The settle statement alone, without queue or HTTP, does ${whole(perSecond(BULK_STORED))} claims a second with them and ${whole(perSecond(BULK))} without (${ratio(inPostgres)} x).`,
    ],
  };
}
