import { randomInt } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { keepChildrenApart } from '../child.ts';
import type { Engine } from '../stack.ts';
import type { Fault, Row, Size } from './fault.ts';
import { matrix } from './matrix.ts';
import { reportOf } from './report.ts';
import { runFault } from './run-fault.ts';
import { openStacks, type Stacks } from './stacks.ts';

/*
 * npm run faults -- [--only F1,F4] [--engine redis|postgres] [--short | --full] [--seed N] [--json file]
 *   [--soak] [--minutes N]
 *
 * Breaks a real system under load, one fault after another, and prints a row for each: status 1 when a
 * promise was broken. --short is what CI runs, --full all of it. A seed replays the schedule of a fault, not
 * the timing of the machine. --soak goes on with new seeds until Ctrl-C, --minutes until then, each at the end of a
 * fault. A second Ctrl-C does not wait for that.
 */

const seedMost = 1_000_000_000;

type Options = { faults: Fault[]; engine: Engine; size: Size; seed: number; json?: string; untilMs?: number };

function parseOptions(): Options {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      engine: { type: 'string', default: 'redis' },
      short: { type: 'boolean', default: false },
      full: { type: 'boolean', default: false },
      seed: { type: 'string' },
      json: { type: 'string' },
      soak: { type: 'boolean', default: false },
      minutes: { type: 'string' },
    },
  });
  const { engine } = values;
  if (engine !== 'redis' && engine !== 'postgres') throw new Error('--engine is redis or postgres');
  const seed = values.seed === undefined ? randomInt(seedMost) : Number(values.seed);
  if (!Number.isInteger(seed) || seed < 0 || seed > seedMost)
    throw new Error(`--seed is a whole number from 0 to ${seedMost}`);
  const minutes = Number(values.minutes ?? Number.POSITIVE_INFINITY);
  if (!(minutes > 0)) throw new Error('--minutes is a number above 0');
  const isOnce = !values.soak && values.minutes === undefined;
  return {
    faults: chooseFaults(engine, values.only),
    engine,
    size: values.full ? 'full' : values.short ? 'short' : 'usual',
    seed,
    ...(values.json !== undefined && { json: values.json }),
    ...(!isOnce && { untilMs: performance.now() + minutes * 60_000 }),
  };
}

function chooseFaults(engine: Engine, only: string | undefined): Fault[] {
  const possible = matrix.filter(({ engines = ['redis'] }) => engines.includes(engine));
  if (only === undefined) return possible;
  return only.split(',').map(id => {
    const fault = possible.find(one => one.id === id.trim().toUpperCase());
    if (!fault)
      throw new Error(`--only: there is no ${id} on ${engine}, only ${possible.map(one => one.id)}`);
    return fault;
  });
}

const say = (line: string) => void process.stderr.write(`${line}\n`);

async function runMatrix(
  { faults, engine, size, json, untilMs, ...options }: Options,
  stacks: Stacks,
): Promise<Row[]> {
  const rows: Row[] = [];
  for (let { seed } = options; ; seed = (seed + 1) % seedMost) {
    for (const fault of faults) {
      say(`\n${fault.id} ${fault.title} (${size}, ${engine}, seed ${seed})`);
      const row = await runFault(fault, stacks, { engine, size, seed, say });
      rows.push(row);
      say(reportOf([row]));
      if (json !== undefined) writeFileSync(json, `${JSON.stringify(rows, null, 2)}\n`);
      if (isOver || performance.now() >= (untilMs ?? Number.POSITIVE_INFINITY)) return rows;
    }
    if (untilMs === undefined) return rows;
  }
}

const stacks = openStacks();
let isOver = false;
// The first Ctrl-C lets the fault of the moment end, the second does not. Both are for this process alone.
keepChildrenApart();
process.on('SIGINT', () => {
  if (isOver) process.exit(1);
  isOver = true;
  say('the last fault; Ctrl-C again to end now');
});
for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(1));
try {
  const rows = await runMatrix(parseOptions(), stacks);
  process.stdout.write(`\n${reportOf(rows)}\n`);
  process.exitCode = rows.every(row => row.findings.length === 0) ? 0 : 1;
} catch (error) {
  say(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
} finally {
  await stacks.stop().catch(error => {
    say(String(error));
    process.exitCode = 1;
  });
}
