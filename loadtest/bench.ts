import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { TARGETS, type Target } from './bench/finding.ts';
import { growth } from './bench/growth.ts';
import { million } from './bench/million.ts';
import { outcomes } from './bench/outcomes.ts';
import { FULL, type Plan, QUICK } from './bench/plan.ts';
import { scramble } from './bench/scramble.ts';
import { speed } from './bench/speed.ts';
import { storm } from './bench/storm.ts';
import { surge } from './bench/surge.ts';
import { validations } from './bench/validations.ts';
import { webhooks } from './bench/webhooks.ts';
import { renderChart } from './chart.ts';
import { describeMachine } from './machine.ts';
import { formatSeconds, startProgress } from './progress.ts';
import { chartOf, mergeResults, type Result, renderResults, replaceFigures } from './results.ts';

/*
 * Measures the targets that Claimline sets itself, each beside what it is compared with, and prints them with
 * what was measured, met or missed. Figures never decide success; a wrong count or an unexpected answer does.
 *
 * node --import tsx bench.ts [--only T1,T2] [--rounds 5] [--seconds 5] [--connections 256] [--quick]
 *   [--out folder] [--write]
 *
 * Leaves results.md, results.json, results.svg and the plans of the settle statement in the folder. With --write
 * it also renews these targets in RESULTS.md, results.json and results.svg beside this file.
 */

const EXPERIMENTS = [speed, outcomes, validations, growth, million, scramble, webhooks, storm, surge];
const here = import.meta.dirname;

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: TARGETS.join(',') },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    connections: { type: 'string' },
    quick: { type: 'boolean', default: false },
    out: { type: 'string' },
    write: { type: 'boolean', default: false },
  },
});

function parseTargets(list: string): Set<Target> {
  return new Set(
    list.split(',').map(name => {
      const target = TARGETS.find(known => known === name);
      if (!target) throw new Error(`--only: there is no target ${name}: ${TARGETS.join(', ')}`);
      return target;
    }),
  );
}

function parsePlan(): Plan {
  const plan = values.quick ? QUICK : FULL;
  const number = (name: 'rounds' | 'seconds' | 'connections') => {
    const value = values[name] === undefined ? plan[name] : Number(values[name]);
    if (!(value >= 1)) throw new Error(`--${name} must be a number from 1`);
    return value;
  };
  return {
    ...plan,
    rounds: number('rounds'),
    seconds: number('seconds'),
    connections: number('connections'),
  };
}

function describeConditions(plan: Plan): string {
  const sizes = plan.quick ? 'QUICK: small sizes, which say little. ' : '';
  return (
    `${sizes}Rounds of ${plan.seconds} s, interleaved, medians of ${plan.rounds}; closed loops have ` +
    `${plan.connections} connections. Every count was exact.`
  );
}

const wanted = parseTargets(values.only);
const plan = parsePlan();
if (plan.quick && values.write) throw new Error('--write takes no --quick: its figures say little');
const machine = describeMachine();
const folder = values.out ?? join(here, 'results', machine.measuredAt.replaceAll(':', '-').slice(0, 19));
mkdirSync(folder, { recursive: true });

const experiments = EXPERIMENTS.filter(one => one.targets.some(target => wanted.has(target)));
const totalSeconds = experiments.reduce((sum, one) => sum + one.seconds(plan, wanted), 0);
const progress = startProgress(totalSeconds);
progress.tell(`${[...wanted].join(', ')}: about ${formatSeconds(totalSeconds)} min`);

function readResults(file: string): Result[] {
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Result[]) : [];
}

/** For JSON: a thousandth is finer than any figure here is exact. */
function roundNumber(_key: string, value: unknown): unknown {
  return typeof value === 'number' ? Math.round(value * 1000) / 1000 : value;
}

function writeFiles(into: string, results: Result[], document: (figures: string) => string, name: string) {
  const chart = 'results.svg';
  writeFileSync(join(into, name), document(renderResults(results, chart)));
  writeFileSync(join(into, 'results.json'), `${JSON.stringify(results, roundNumber, 1)}\n`);
  writeFileSync(join(into, chart), renderChart(chartOf(results)));
}

/** After each experiment, so that one that fails leaves what was measured before it. */
function save(results: Result[]): void {
  writeFiles(folder, results, figures => `${figures}\n`, 'results.md');
  if (!values.write) return;
  const document = readFileSync(join(here, 'RESULTS.md'), 'utf8');
  const all = mergeResults(readResults(join(here, 'results.json')), results);
  writeFiles(here, all, figures => replaceFigures(document, figures), 'RESULTS.md');
}

try {
  const conditions = describeConditions(plan);
  const { step, tell } = progress;
  const results: Result[] = [];
  for (const experiment of experiments) {
    const findings = await experiment.run({ plan, wanted, step, tell, folder });
    results.push(...findings.map(finding => ({ ...finding, machine, conditions })));
    save(mergeResults([], results));
  }
  progress.stop();
  process.stdout.write(`${renderResults(mergeResults([], results), undefined)}\n\nWritten to ${folder}\n`);
} finally {
  progress.stop();
}
