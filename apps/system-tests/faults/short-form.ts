import { afterAll, describe, expect, test } from 'vitest';
import { redisAvailable, redisRequired } from '../redis-available.ts';
import type { Engine } from '../stack.ts';
import { matrix } from './matrix.ts';
import { runFault } from './run-fault.ts';
import { openStacks } from './stacks.ts';

/** Longer than a fault, its stack and its crowd may take before that is a finding. */
const slowMs = 420_000;
/** Always the same schedule; what differs from run to run is the timing of the machine. */
const seed = 20_261_120;

/** The fault matrix of an engine as tests, in its short form; `npm run faults` runs the longer ones. */
export function testShortForm(engine: Engine): void {
  const isLeftOut = engine === 'redis' && !redisAvailable && !redisRequired;
  const faults = matrix.filter(({ engines = ['redis'] }) => engines.includes(engine));
  const stacks = openStacks();

  describe.skipIf(isLeftOut)(`faults on ${engine}`, () => {
    afterAll(() => stacks.stop(), slowMs);
    test.for(faults)('$id $title', { timeout: slowMs }, async fault => {
      const said: string[] = [];
      const run = { engine, size: 'short', seed, say: (line: string) => said.push(line) } as const;
      const { findings, grantsLost, doubled, granted } = await runFault(fault, stacks, run);
      expect(findings, said.join('\n')).toEqual([]);
      expect({ grantsLost, doubled }).toEqual({ grantsLost: 0, doubled: 0 });
      expect(granted).toBeGreaterThan(0);
    });
  });
}
