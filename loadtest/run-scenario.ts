import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { environmentName, SCENARIOS, type Scenario, type ScenarioName } from './k6/parts/scenarios.ts';

export type ScenarioRun = {
  /** The command that starts k6. */
  k6: string;
  scenario: ScenarioName;
  /** The base addresses of Claimline's API processes. */
  targets: string[];
  small: boolean;
  /** Sizes other than those of the form, by name. */
  settings?: Record<string, string | undefined>;
  /** Names the coupons and people of the run; else the time does. */
  run?: string;
};

export type ScenarioResult = {
  /** 0 when all thresholds were kept and all counts are exact. */
  exitCode: number;
  /** What k6 and the scenario printed; empty when it went to the terminal. */
  output: string;
};

// Without an address k6 does not listen: two of them would want the same port.
const ARGUMENTS = ['run', '--quiet', '--no-usage-report', '--address=', '--include-system-env-vars'];
const KILLED = 1;

/**
 * Runs a scenario with k6 to its end. Its summary goes to the terminal, or is answered where `stdio` is `pipe`.
 * k6 has the environment of this process besides: OPERATOR_KEY is read there, and k6's own K6_OUT.
 */
export async function runScenario(plan: ScenarioRun, stdio: 'inherit' | 'pipe'): Promise<ScenarioResult> {
  const file = join(import.meta.dirname, 'k6', `${plan.scenario}.ts`);
  const child = spawn(plan.k6, [...ARGUMENTS, ...argumentsOf(plan), file], {
    stdio: ['ignore', stdio, stdio],
  });
  // Ctrl-C in a terminal reaches k6 by itself.
  const stop = () => child.kill('SIGINT');
  process.once('SIGTERM', stop);
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', text => {
      output += text;
    });
  const [code] = (await once(child, 'close')) as [number | null];
  process.off('SIGTERM', stop);
  return { exitCode: code ?? KILLED, output };
}

/** Every variable that a scenario reads, so that none comes from the shell by accident. */
function argumentsOf({ scenario, targets, small, settings, run }: ScenarioRun): string[] {
  const known: Scenario['settings'] = SCENARIOS[scenario].settings;
  const sizes = Object.entries(known).map(([name, setting]) => [
    environmentName(name),
    settings?.[name] ?? setting[small ? 'small' : 'full'],
  ]);
  const variables = [...sizes, ['TARGETS', targets.join(',')], ['RUN', run ?? '']];
  return variables.flatMap(([name, value]) => ['-e', `${name}=${value}`]);
}
