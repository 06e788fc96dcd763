import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { describeMachine } from './machine.ts';
import { type LoadShape, measure } from './measure.ts';
import { renderReport } from './report.ts';
import { describeMeasurement, runRounds } from './rounds.ts';
import { startStack } from './stack.ts';
import { BUSY_LANES, DEFAULT_SUBJECTS, parseSubjects, type Subject } from './subject.ts';
import { summarizeRounds } from './summary.ts';

/*
 * Compares some subjects in interleaved rounds (A B C D A B C D ...) on one machine, and prints medians and
 * ratios as Markdown: the tool for a change that is for speed (bench.ts measures the targets). Figures never
 * decide success; a wrong count or an unexpected answer does.
 *
 * node --import tsx compare.ts [--rounds 5] [--seconds 5] [--subjects echo,rowlock,flash,granted]
 *   [--connections 256] [--rate 0] [--apis 1] [--workers 1] [--json file] [--keep]
 */

const WARM_UP_SECONDS = 2;

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '5' },
    subjects: { type: 'string', default: DEFAULT_SUBJECTS },
    connections: { type: 'string', default: '256' },
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

function serves(service: Subject['service']): boolean {
  return subjects.some(subject => subject.service === service);
}

const stack = await startStack({
  echo: serves('echo'),
  rowlock: serves('rowlock'),
  apis: needsClaimline ? Number(values.apis) : 0,
  workers: needsClaimline ? Number(values.workers) : 0,
  env: BUSY_LANES,
  profiled: false,
  keepFolder: values.keep,
});

try {
  const entrants = (seconds: number) =>
    subjects.map(subject => ({ ...subject, measure: () => measure(stack, subject, { ...shape, seconds }) }));
  await runRounds(entrants(WARM_UP_SECONDS), 1, {});
  const rounds = await runRounds(entrants(shape.seconds), Number(values.rounds), {
    onEnd: (round, { name }, measurement) =>
      tell(`round ${round}/${values.rounds} ${name}: ${describeMeasurement(measurement)}`),
  });
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
