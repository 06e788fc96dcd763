import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { closePool, openPool, type Sql } from '@claimline/db/pool';
import { reasons } from '@claimline/validations';
import { readCpuTimes, subtractCpuTimes } from '../cpu-time.ts';
import { type GeneratorResult, type Measurement, runGenerator } from '../measure.ts';
import { runToEnd } from '../process.ts';
import { describeMeasurement, type Entrant, runRounds } from '../rounds.ts';
import type { Stack } from '../stack.ts';
import { medianRatio, type Round, type SubjectSummary, summarizeRounds } from '../summary.ts';
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
import { readBodies } from './validation-bodies.ts';

/* T4: codes of the seeded data set are validated, each attempt on record, in turns with echo. */

const WANTED = { echo: 0.5, p95: 5 } as const;
// For the estimate of the progress bar only.
const SEEDED_PER_SECOND = 8000;
/** The log is written every 5 s at least. */
const LOG_SECONDS = 5;
const LOG_LIMIT_MS = 60_000;
const LOG_POLL_MS = 100;

const KINDS = ['echo', 'validations'] as const;
type Kind = (typeof KINDS)[number];
type Contender = { name: string; title: string; figure: 'answersPerSecond'; kind: Kind; connections: number };

function contendersOf(askingAtOnce: number[]): Contender[] {
  return askingAtOnce.flatMap(connections =>
    KINDS.map(kind => ({
      name: `${kind}-${connections}`,
      title: `${kind === 'echo' ? 'echo of the same bodies' : 'T4 validations'}, ${whole(connections)} at once`,
      figure: 'answersPerSecond' as const,
      kind,
      connections,
    })),
  );
}

export const validations: Experiment = {
  targets: ['T4'],
  seconds({ rounds, seconds, seeded, askingAtOnce }) {
    const oneRound = (time: number) =>
      askingAtOnce.length * (2 * (time + ROUND_OVERHEAD_SECONDS) + LOG_SECONDS);
    return (
      START_SECONDS +
      seeded.codes / SEEDED_PER_SECOND +
      oneRound(WARM_UP_SECONDS) +
      rounds * oneRound(seconds)
    );
  },
  async run(lab) {
    const { plan } = lab;
    const contenders = contendersOf(plan.askingAtOnce);
    lab.step('T4: starting', START_SECONDS);
    return onStack({ echo: true }, async stack => {
      const url = stack.stores.claimline!.databaseUrl;
      const sql = openPool({ url, applicationName: 'load', max: 1, statementTimeoutMs: 0 });
      try {
        lab.step('T4: seeding', plan.seeded.codes / SEEDED_PER_SECOND);
        lab.tell(`T4: ${await seed(stack, lab)}`);
        const bodies = join(stack.folder, 'bodies.jsonl');
        writeFileSync(bodies, (await readBodies(sql, plan.seeded.users)).join('\n'));
        const field = (seconds: number) =>
          contenders.map(
            (one): Entrant => ({ ...one, measure: () => measure(stack, sql, one, seconds, bodies) }),
          );
        await runRounds(field(WARM_UP_SECONDS), 1, {
          onStart: (_, { name }) => lab.step(`warm-up: ${name}`, WARM_UP_SECONDS + ROUND_OVERHEAD_SECONDS),
        });
        const rounds = await runRounds(field(plan.seconds), plan.rounds, {
          onStart: (round, { name }) =>
            lab.step(`round ${round}/${plan.rounds}: ${name}`, plan.seconds + ROUND_OVERHEAD_SECONDS),
          onEnd: (round, { name }, measurement) =>
            lab.tell(`round ${round}/${plan.rounds} ${name}: ${describe(measurement)}`),
        });
        return [findingOf(contenders, rounds)];
      } finally {
        await closePool(sql, 1);
      }
    });
  },
};

function seed(stack: Stack, { plan }: Lab): Promise<string> {
  const sizes = Object.entries(plan.seeded).flatMap(([name, value]) => [`--${name}`, String(value)]);
  return runToEnd({
    name: 'seed',
    command: process.execPath,
    args: ['--import', 'tsx', 'apps/cli/main.ts', 'seed', ...sizes],
    env: { DATABASE_URL: stack.stores.claimline!.databaseUrl },
    folder: stack.folder,
  });
}

/** One round; throws when the log has not exactly a row for each answer, with the reason that it gave. */
async function measure(
  stack: Stack,
  sql: Sql,
  { kind, name, connections }: Contender,
  seconds: number,
  bodies: string,
): Promise<Measurement> {
  const isEcho = kind === 'echo';
  const before = isEcho ? 0 : await lastId(sql);
  const cpuBefore = readCpuTimes(stack.pids);
  const load = await runGenerator(stack, name, stack.urls[isEcho ? 'echo' : 'claimline']!, {
    ...{ path: isEcho ? '/api/coupons/none/claims' : '/api/validations', expect: isEcho ? 202 : 200 },
    ...{ bodies, connections, seconds },
  });
  const cpu = subtractCpuTimes(readCpuTimes(stack.pids), cpuBefore);
  if (!isEcho) await assertLogged(stack, sql, before, load);
  stack.assertRunning();
  return {
    ...{ subject: name, load, accepted: load.answers, acceptedPerSecond: load.answersPerSecond },
    ...{ settledPerSecond: load.answersPerSecond, backlogAtEnd: 0, backlogGrowthPerSecond: 0 },
    ...{ elapsedMs: load.durationMs, cpu: { ...cpu, generator: load.cpuMs } },
  };
}

async function lastId(sql: Sql): Promise<number> {
  const [row] = await sql<{ id: number | null }[]>`select max(id) as id from validations`;
  return row?.id ?? 0;
}

async function assertLogged(stack: Stack, sql: Sql, before: number, load: GeneratorResult): Promise<void> {
  const deadlineMs = Date.now() + LOG_LIMIT_MS;
  while ((await backlogOf(stack)) > 0 && Date.now() < deadlineMs)
    await new Promise(resolve => setTimeout(resolve, LOG_POLL_MS));
  const rows = await sql<{ reason: string; n: number }[]>`
    select coalesce(reason, 'valid') as reason, count(*) as n from validations where id > ${before} group by 1`;
  const logged = Object.fromEntries(rows.map(({ reason, n }) => [reason, n]));
  const wrong = ['valid', ...reasons].filter(reason => (logged[reason] ?? 0) !== (load.reasons[reason] ?? 0));
  if (wrong.length > 0 && load.dropped === 0)
    throw new Error(
      `the log has ${JSON.stringify(logged)}, and answered was ${JSON.stringify(load.reasons)}`,
    );
}

async function backlogOf(stack: Stack): Promise<number> {
  const health = await fetch(`${stack.urls.claimline![0]}/health`);
  const { checks } = (await health.json()) as { checks: { validation_log: { backlog: number } } };
  return checks.validation_log.backlog;
}

function describe(measurement: Measurement): string {
  const { averageMs, minMs, latency } = measurement.load;
  const times = `average ${ms(averageMs)}, min ${ms(minMs)}, max ${ms(latency.maxMs)}, p50 ${ms(latency.p50Ms)}, p95 ${ms(latency.p95Ms)}`;
  return `${describeMeasurement(measurement)}; ${times}`;
}

function findingOf(contenders: Contender[], rounds: Round[]): Finding {
  const summaries = summarizeRounds(contenders, rounds);
  const of = (contender: Contender) => summaries.find(({ name }) => name === contender.name)!;
  const asked = contenders.filter(({ kind }) => kind === 'validations');
  const echoOf = ({ connections }: Contender) =>
    contenders.find(one => one.kind === 'echo' && one.connections === connections)!;
  return {
    target: 'T4',
    rows: asked.map(one => rowOf(one, of(one), echoOf(one), of(echoOf(one)), rounds)),
    speeds: contenders.map(one => ({
      label: one.title,
      perSecond: of(one).answersPerSecond,
      kind: one.kind === 'echo' ? 'baseline' : 'claimline',
      ...(one.kind !== 'echo' && { wantedPerSecond: WANTED.echo * of(echoOf(one)).answersPerSecond }),
    })),
    latencies: contenders.map(one => ({
      label: one.title,
      latency: of(one).latency,
      kind: one.kind === 'echo' ? 'baseline' : 'claimline',
      ...(one.kind !== 'echo' && {
        wanted: [{ percentile: 'p95' as const, ms: WANTED.p95 * of(echoOf(one)).latency.p95Ms }],
      }),
    })),
    cores: contenders.map(of),
    notes: asked.map(one => `T4, ${whole(one.connections)} at once: ${sharesOf(one, rounds)}.`),
  };
}

function rowOf(
  one: Contender,
  summary: SubjectSummary,
  echo: Contender,
  echoSummary: SubjectSummary,
  rounds: Round[],
): Row {
  const vsEcho = medianRatio(one, echo, rounds);
  const vsP95 = summary.latency.p95Ms / echoSummary.latency.p95Ms;
  const loads = rounds.map(round => round[one.name]!.load);
  const failures = loads.reduce((sum, { dropped }) => sum + dropped, 0);
  const answers = loads.reduce((sum, load) => sum + load.answers, 0);
  const average = loads.reduce((sum, load) => sum + load.averageMs * load.answers, 0) / answers;
  const least = Math.min(...loads.map(load => load.minMs));
  const { p50Ms, p95Ms, p99Ms, maxMs } = summary.latency;
  return {
    work: `validations of the seeded codes, ${whole(one.connections)} at once, each attempt on record`,
    target: `>= ${WANTED.echo} x echo, p95 within ${WANTED.p95} x echo's, no failure, a row in the log for each`,
    figure: `${whole(summary.answersPerSecond)}/s: ${ratio(vsEcho)} x echo; average ${ms(average)}, min ${ms(least)}, max ${ms(maxMs)}, p50 ${ms(p50Ms)}, p95 ${ms(p95Ms)} (${ratio(vsP95)} x echo's), p99 ${ms(p99Ms)}; ${failures} failed; ${whole(answers)} answers and as many rows`,
    met: vsEcho >= WANTED.echo && vsP95 <= WANTED.p95 && failures === 0,
  };
}

/** How the validations came out, in per cent. */
function sharesOf({ name }: Contender, rounds: Round[]): string {
  const loads = rounds.map(round => round[name]!.load as GeneratorResult);
  const total = loads.reduce((sum, load) => sum + load.answers, 0);
  return ['valid', ...reasons]
    .map(reason => ({ reason, n: loads.reduce((sum, load) => sum + (load.reasons[reason] ?? 0), 0) }))
    .filter(({ n }) => n > 0)
    .map(({ reason, n }) => `${((n / total) * 100).toFixed(1)} % ${reason}`)
    .join(', ');
}
