import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { describeMachine } from './machine.ts';
import { type LoadShape, type Measurement, measure } from './measure.ts';
import { renderReport } from './report.ts';
import { type Stack, startStack } from './stack.ts';
import { DEFAULT_SUBJECTS, parseSubjects, type Subject } from './subject.ts';
import { type Round, summarizeRounds } from './summary.ts';

/*
 * Compares Claimline with its baselines in interleaved rounds (A B C D A B C D ...) on one machine, and prints
 * medians and ratios as Markdown. Figures never decide success; a wrong count or an unexpected answer does.
 *
 * node --import tsx compare.ts [--rounds 5] [--seconds 5] [--subjects echo,rowlock,flash,granted]
 *   [--connections 64] [--rate 0] [--apis 1] [--workers 1] [--json file] [--keep]
 */

const WARM_UP_SECONDS = 2;
// Lets the stores finish what a round left behind before the next one is timed.
const REST_MS = 300;

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '5' },
    subjects: { type: 'string', default: DEFAULT_SUBJECTS },
    connections: { type: 'string', default: '64' },
    rate: { type: 'string', default: '0' },
    apis: { type: 'string', default: '1' },
    workers: { type: 'string', default: '1' },
    json: { type: 'string' },
    keep: { type: 'boolean', default: false },
  },
});

const subjects = parseSubjects(values.subjects);
const shape: LoadShape = {
  seconds: Number(values.seconds),
  connections: Number(values.connections),
  rate: Number(values.rate),
};
const needsClaimline = subjects.some(subject => subject.service === 'claimline');

function tell(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** For JSON: a thousandth is finer than any figure here is exact. */
function roundNumber(_key: string, value: unknown): unknown {
  return typeof value === 'number' ? Math.round(value * 1000) / 1000 : value;
}

function describe(measurement: Measurement): string {
  const { load, settledPerSecond, backlogAtEnd, cpu, elapsedMs } = measurement;
  const busy = Object.entries(cpu)
    .filter(([, cpuMs]) => cpuMs > elapsedMs / 100)
    .map(([name, cpuMs]) => `${name} ${(cpuMs / elapsedMs).toFixed(2)}`);
  const settled = `${settledPerSecond} settled/s, backlog ${backlogAtEnd}`;
  const lost = load.dropped + load.unsent > 0 ? `, ${load.dropped} dropped, ${load.unsent} unsent` : '';
  return `${load.answersPerSecond} answers/s, ${settled}, p99 ${load.latency.p99Ms} ms${lost}; cores: ${busy.join(', ')}`;
}

async function runRound(stack: Stack, label: string, roundShape: LoadShape): Promise<Round> {
  const round: Round = {};
  for (const subject of subjects) {
    const measurement = await measure(stack, subject, roundShape);
    tell(`${label} ${subject.name}: ${describe(measurement)}`);
    round[subject.name] = measurement;
    await sleep(REST_MS);
  }
  return round;
}

function serves(service: Subject['service']): boolean {
  return subjects.some(subject => subject.service === service);
}

const stack = await startStack({
  echo: serves('echo'),
  rowlock: serves('rowlock'),
  apis: needsClaimline ? Number(values.apis) : 0,
  workers: needsClaimline ? Number(values.workers) : 0,
  profiled: false,
  keepFolder: values.keep,
});

try {
  const rounds: Round[] = [];
  await runRound(stack, 'warm-up', { ...shape, seconds: WARM_UP_SECONDS });
  for (let index = 1; index <= Number(values.rounds); index++) {
    rounds.push(await runRound(stack, `round ${index}/${values.rounds}`, shape));
  }
  const machine = describeMachine();
  const summaries = summarizeRounds(subjects, rounds);
  const model = shape.rate > 0 ? `open model at ${shape.rate}/s` : 'closed loop';
  const conditions =
    `Medians of ${values.rounds} interleaved rounds of ${values.seconds} s, ${model} over ${values.connections} ` +
    `connections, ${values.apis} API and ${values.workers} worker processes; every count was exact.`;
  process.stdout.write(`${renderReport(machine, summaries, conditions)}\n`);
  const json = JSON.stringify({ machine, options: values, summaries, rounds }, roundNumber);
  if (values.json) writeFileSync(values.json, `${json}\n`);
  else process.stdout.write(`\n${json}\n`);
} finally {
  await stack.stop();
}
