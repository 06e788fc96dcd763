import { addNeighbor } from '../installation.ts';
import { type Measurement, measure } from '../measure.ts';
import { measureBaseline } from '../measure-baseline.ts';
import { describeMeasurement, type Entrant, runRounds } from '../rounds.ts';
import type { Stack } from '../stack.ts';
import { BULK, BULLMQ, ECHO, FLASH, GRANTED, ROWLOCK, ROWLOCK_FLASH, type Subject } from '../subject.ts';
import { medianRatio, type Round, type SubjectSummary, summarizeRounds } from '../summary.ts';
import { whole } from '../table.ts';
import {
  type Experiment,
  type Finding,
  type Lab,
  type Latency,
  ROUND_OVERHEAD_SECONDS,
  type Row,
  ratio,
  type Speed,
  START_SECONDS,
  type Target,
  WARM_UP_SECONDS,
} from './finding.ts';
import { onStack } from './on-stack.ts';

/* T1 and T2: answers and grants a second beside the baselines, in interleaved rounds. */

const FOUR: Subject = { ...GRANTED, name: 'four', service: 'four', title: 'T2 all granted, several APIs' };
const SHARES = { flash: { echo: 0.8, rowlock: 25 }, granted: { echo: 0.5, rowlock: 12 } } as const;
/** A line that grows by less than this share of what is accepted counts as flat. */
const FLAT_SHARE = 0.02;

const ENTRANTS: Record<'T1' | 'T2', Subject[]> = {
  T1: [ECHO, ROWLOCK, ROWLOCK_FLASH, FLASH],
  T2: [ECHO, ROWLOCK, GRANTED, FOUR, BULLMQ, BULK],
};

function entrantsOf(wanted: Set<Target>): Subject[] {
  const all = (['T1', 'T2'] as const)
    .filter(target => wanted.has(target))
    .flatMap(target => ENTRANTS[target]);
  return [...new Set(all)];
}

export const speed: Experiment = {
  targets: ['T1', 'T2'],
  seconds({ rounds, seconds }, wanted) {
    const oneRound = entrantsOf(wanted).length;
    const warmUp = oneRound * (WARM_UP_SECONDS + ROUND_OVERHEAD_SECONDS);
    return START_SECONDS + warmUp + rounds * oneRound * (seconds + ROUND_OVERHEAD_SECONDS);
  },
  async run(lab) {
    const { plan, wanted } = lab;
    const subjects = entrantsOf(wanted);
    lab.step('T1, T2: starting', START_SECONDS);
    return onStack({ echo: true, rowlock: true }, async stack => {
      if (wanted.has('T2')) {
        await addNeighbor(stack, 'four', { apis: plan.manyApis, workers: 1 });
        const { redisUrl } = stack.stores.claimline!;
        await stack.addNode('bullmq-worker', ['loadtest/baselines/bullmq-worker.ts', 'bullmq', redisUrl]);
      }
      await runRounds(entrants(lab, stack, subjects, WARM_UP_SECONDS), 1, {
        onStart: (_, { name }) => lab.step(`warm-up: ${name}`, WARM_UP_SECONDS + ROUND_OVERHEAD_SECONDS),
      });
      const rounds = await runRounds(entrants(lab, stack, subjects, plan.seconds), plan.rounds, {
        onStart: (round, { name }) =>
          lab.step(`round ${round}/${plan.rounds}: ${name}`, plan.seconds + ROUND_OVERHEAD_SECONDS),
        onEnd: (round, { name }, measurement) =>
          lab.tell(`round ${round}/${plan.rounds} ${name}: ${describeMeasurement(measurement)}`),
      });
      return findingsOf(lab, subjects, rounds);
    });
  },
};

function entrants({ plan }: Lab, stack: Stack, subjects: Subject[], seconds: number): Entrant[] {
  const shape = { seconds, connections: plan.connections, rate: 0 };
  const { databaseUrl, redisUrl } = stack.stores.claimline!;
  const bullmq = { queue: 'bullmq', redis: redisUrl, seconds, connections: plan.connections };
  const measures: Record<string, () => Promise<Measurement>> = {
    bullmq: () => measureBaseline(stack, 'bullmq', bullmq),
    bulk: () => measureBaseline(stack, 'bulk', { database: databaseUrl, seconds }),
  };
  return subjects.map(subject => ({
    ...subject,
    measure: measures[subject.name] ?? (() => measure(stack, subject, shape)),
  }));
}

function findingsOf({ plan, wanted }: Lab, subjects: Subject[], rounds: Round[]): Finding[] {
  const summaries = new Map(summarizeRounds(subjects, rounds).map(one => [one.name, one]));
  const of = (subject: Subject) => summaries.get(subject.name)!;
  const findings: Finding[] = [];
  if (wanted.has('T1')) findings.push(flashFinding(of, rounds));
  if (wanted.has('T2')) findings.push(grantedFinding(plan.manyApis, of, rounds));
  return findings;
}

type SummaryOf = (subject: Subject) => SubjectSummary;

function flashFinding(of: SummaryOf, rounds: Round[]): Finding {
  const flash = of(FLASH);
  const vsEcho = medianRatio(FLASH, ECHO, rounds);
  const vsRowlock = medianRatio(FLASH, ROWLOCK, rounds);
  const vsSameSale = medianRatio(FLASH, ROWLOCK_FLASH, rounds);
  const wanted = SHARES.flash;
  const wantedPerSecond = Math.max(
    wanted.echo * of(ECHO).answersPerSecond,
    wanted.rowlock * of(ROWLOCK).answersPerSecond,
  );
  return {
    target: 'T1',
    rows: [
      {
        work: 'flash sale: 1,000 units, distinct people without end, answers a second',
        target: `>= ${wanted.echo} x echo, >= ${wanted.rowlock} x rowlock`,
        figure: `${whole(flash.answersPerSecond)}/s: ${ratio(vsEcho)} x echo, ${ratio(vsRowlock)} x rowlock (${ratio(vsSameSale)} x a rowlock with the same 1,000 units)`,
        met: vsEcho >= wanted.echo && vsRowlock >= wanted.rowlock,
      },
    ],
    speeds: [
      bar(ECHO.title, of(ECHO).answersPerSecond, 'baseline'),
      { ...bar('T1 flash sale, answers', flash.answersPerSecond, 'claimline'), wantedPerSecond },
      bar(ROWLOCK.title, of(ROWLOCK).answersPerSecond, 'baseline'),
      bar('rowlock, the same flash sale', of(ROWLOCK_FLASH).answersPerSecond, 'baseline'),
    ],
    latencies: [whisker(ECHO.title, of(ECHO), 'baseline'), whisker('T1 flash sale', flash, 'claimline')],
    cores: [of(ECHO), flash, of(ROWLOCK)],
    notes: [],
  };
}

function grantedFinding(apis: number, of: SummaryOf, rounds: Round[]): Finding {
  const one = of(GRANTED);
  const several = of(FOUR);
  const wanted = SHARES.granted;
  const wantedPerSecond = Math.max(
    wanted.echo * of(ECHO).answersPerSecond,
    wanted.rowlock * of(ROWLOCK).answersPerSecond,
  );
  return {
    target: 'T2',
    rows: [
      grantedRow('one API process', GRANTED, one, rounds),
      grantedRow(`${apis} API processes`, FOUR, several, rounds),
    ],
    speeds: [
      bar(ECHO.title, of(ECHO).answersPerSecond, 'baseline'),
      { ...bar('T2 every claim granted, settled', one.settledPerSecond, 'claimline'), wantedPerSecond },
      {
        ...bar(`T2 with ${apis} API processes, settled`, several.settledPerSecond, 'claimline'),
        wantedPerSecond,
      },
      bar(ROWLOCK.title, of(ROWLOCK).answersPerSecond, 'baseline'),
      bar(BULLMQ.title, of(BULLMQ).settledPerSecond, 'baseline'),
      bar(BULK.title, of(BULK).settledPerSecond, 'baseline'),
    ],
    latencies: [
      whisker(ECHO.title, of(ECHO), 'baseline'),
      whisker(ROWLOCK.title, of(ROWLOCK), 'baseline'),
      whisker('T2, the 202', one, 'claimline'),
      whisker(`T2 with ${apis} API processes, the 202`, several, 'claimline'),
    ],
    cores: [of(ECHO), one, several, of(ROWLOCK), of(BULLMQ), of(BULK)],
    notes: [
      `Ceilings: BullMQ alone ${whole(of(BULLMQ).settledPerSecond)} jobs a second, one claim each; Postgres alone ${whole(of(BULK).settledPerSecond)} claims a second, 500 a statement.`,
    ],
  };
}

function grantedRow(processes: string, subject: Subject, summary: SubjectSummary, rounds: Round[]): Row {
  const vsEcho = medianRatio(subject, ECHO, rounds);
  const vsRowlock = medianRatio(subject, ROWLOCK, rounds);
  const growth = summary.backlogGrowthPerSecond / summary.acceptedPerSecond;
  const wanted = SHARES.granted;
  const backlog = `${whole(summary.backlogAtEnd)} in line at the end, growing by ${(growth * 100).toFixed(1)} % of what is accepted`;
  return {
    work: `every claim granted, ${processes} and a worker: accepted and settled a second`,
    target: `>= ${wanted.echo} x echo, >= ${wanted.rowlock} x rowlock, the line stays flat (< ${FLAT_SHARE * 100} %)`,
    figure: `${whole(summary.settledPerSecond)}/s: ${ratio(vsEcho)} x echo, ${ratio(vsRowlock)} x rowlock; ${whole(summary.acceptedPerSecond)}/s accepted, ${backlog}`,
    met: vsEcho >= wanted.echo && vsRowlock >= wanted.rowlock && growth < FLAT_SHARE,
  };
}

function bar(label: string, perSecond: number, kind: Speed['kind']): Speed {
  return { label, perSecond, kind };
}

function whisker(label: string, { latency }: SubjectSummary, kind: Latency['kind']): Latency {
  return { label, latency, kind };
}
