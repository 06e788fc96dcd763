import { parseArgs } from 'node:util';
import { findK6, HOW_TO_INSTALL_K6 } from './find-k6.ts';
import { SCENARIOS, type Scenario, type ScenarioName } from './k6/parts/scenarios.ts';
import { describeCourse, findGrown, type MemoryCourse, readMemory, watchMemory } from './memory.ts';
import { runScenario, type ScenarioRun } from './run-scenario.ts';
import { startStack } from './stack.ts';

/*
 * Runs a scenario: on a stack of its own, started on free ports and stopped again, or against a Claimline that is
 * running. Fails when a threshold is crossed, when a count is not exact, and when memory grows in a soak.
 *
 * npm run load -- --list
 * npm run load -- flash-sale [--small] [--people 1000000] [--rate 4000] [--apis 2] [--workers 1] [--keep]
 * npm run load -- flash-sale --target http://127.0.0.1:3000 [--target ...]
 */

const FAILED = 1;
const MEMORY_UNKNOWN = 'memory not measured: that takes the /proc of Linux. Whether it grows is not known.';

const limits = {
  memoryEveryMs: 1000,
  /** How much more than early in a soak a process of Claimline may hold late in it. */
  growthMost: 1.3,
  /** A shorter run tells nothing about growth. */
  soakLeastS: 60,
} as const;

const COMMON = {
  target: { type: 'string', multiple: true },
  small: { type: 'boolean', default: false },
  apis: { type: 'string', default: '1' },
  workers: { type: 'string', default: '1' },
  keep: { type: 'boolean', default: false },
} as const;

function listScenarios(): string {
  const scenarios = Object.entries<Scenario>(SCENARIOS).flatMap(([name, { title, settings }]) => [
    `${name.padEnd(16)} ${title}`,
    ...Object.entries(settings).map(
      ([setting, { means, full, small }]) =>
        `    --${optionName(setting).padEnd(12)} ${full}, small ${small}: ${means}`,
    ),
  ]);
  const common = 'each: --small, --target URL (several take turns), or --apis N, --workers N and --keep';
  return [...scenarios, common].join('\n');
}

function optionName(setting: string): string {
  return setting.replaceAll(/[A-Z]/g, letter => `-${letter.toLowerCase()}`);
}

/** The plan that the arguments describe; throws with a sentence that names what is wrong. */
function parsePlan([name, ...args]: string[]) {
  if (!name || !Object.hasOwn(SCENARIOS, name))
    throw new Error(`no scenario ${name ?? 'named'}: ${Object.keys(SCENARIOS).join(', ')}, or --list`);
  const scenario = name as ScenarioName;
  const settings = Object.keys(SCENARIOS[scenario].settings);
  const sizes = settings.map(setting => [optionName(setting), { type: 'string' }] as const);
  const { values } = parseArgs({ args, options: { ...COMMON, ...Object.fromEntries(sizes) } });
  const given: Record<string, unknown> = values;
  for (const option of ['apis', 'workers', ...sizes.map(([option]) => option)])
    if (given[option] !== undefined && !/^[1-9]\d{0,9}$/.test(String(given[option])))
      throw new Error(`--${option} must be a whole number from 1 on, and is ${given[option]}`);
  return {
    ...values,
    scenario,
    settings: Object.fromEntries(
      settings.map(setting => [setting, given[optionName(setting)] as string | undefined]),
    ),
  };
}

type Plan = ReturnType<typeof parsePlan>;

async function runOnOwnStack(plan: Plan, run: Omit<ScenarioRun, 'targets'>): Promise<number> {
  const counts = { apis: Number(plan.apis), workers: Number(plan.workers) };
  const stack = await startStack({
    echo: false,
    rowlock: false,
    profiled: false,
    keepFolder: plan.keep,
    ...counts,
  });
  try {
    const before = readMemory(stack.pids);
    const stopWatching = watchMemory(stack.pids, limits.memoryEveryMs);
    const { exitCode } = await runScenario({ ...run, targets: stack.urls.claimline! }, 'inherit').finally(
      stopWatching,
    );
    const samples = stopWatching();
    stack.assertRunning();
    const after = readMemory(stack.pids);
    const courses = Object.keys(before).map(name => ({
      name,
      ...describeCourse(name, before, samples, after),
    }));
    const nodes = stack.nodes.map(({ name }) => name);
    const grown = findGrown(courses, nodes, limits.growthMost);
    print(grown === null ? MEMORY_UNKNOWN : renderMemory(courses));
    if (plan.keep) print(`logs and data are in ${stack.folder}`);
    const isSoak = plan.scenario === 'soak' && samples.length >= limits.soakLeastS;
    if (!isSoak || !grown?.length) return exitCode;
    print(`memory kept growing: ${grown.join(', ')}`);
    return exitCode || FAILED;
  } finally {
    await stack.stop();
  }
}

/** A line a process. */
function renderMemory(courses: ({ name: string } & MemoryCourse)[]): string {
  const lines = courses.map(({ name, beforeMb, peakMb, afterMb, growth }) => {
    const [before, peak, after] = [beforeMb, peakMb, afterMb].map(mb => `${mb.toFixed(0)} MB`);
    return `  ${name.padEnd(18)} ${before} before, ${peak} at most, ${after} after, x ${growth.toFixed(2)} late over early`;
  });
  return ['memory', ...lines].join('\n');
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

async function main(args: string[]): Promise<number> {
  if (args.includes('--list') || args.includes('--help')) {
    print(listScenarios());
    return 0;
  }
  const plan = parsePlan(args);
  const k6 = findK6();
  if (!k6) throw new Error(HOW_TO_INSTALL_K6);
  const run = { k6, scenario: plan.scenario, small: plan.small, settings: plan.settings };
  if (!plan.target) return runOnOwnStack(plan, run);
  const { exitCode } = await runScenario({ ...run, targets: plan.target }, 'inherit');
  return exitCode;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = FAILED;
}
