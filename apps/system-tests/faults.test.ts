import { afterAll, describe, expect, test } from 'vitest';
import type { Size } from './faults/fault.ts';
import { matrix } from './faults/matrix.ts';
import { runFault } from './faults/run-fault.ts';
import { openStacks } from './faults/stacks.ts';
import { redisAvailable, redisRequired } from './redis-available.ts';
import type { Engine } from './stack.ts';

const slowMs = 240_000;
const size: Size = 'short';
const seed = 20_261_120;
const said: string[] = [];

/** The fault matrix in its short form; `npm run faults` runs the longer ones. */
describe.each<Engine>(['redis', 'postgres'])('on %s', engine => {
  const stacks = openStacks();
  afterAll(() => stacks.stop(), slowMs);
  const faults = matrix.filter(({ engines = ['redis'] }) => engines.includes(engine));

  test.skipIf(engine === 'redis' && !redisAvailable && !redisRequired).for(faults)(
    '$id $title',
    { timeout: slowMs },
    async fault => {
      said.length = 0;
      const row = await runFault(fault, stacks, { engine, size, seed, say: line => said.push(line) });
      expect(row.findings, said.join('\n')).toEqual([]);
      expect({ grantsLost: row.grantsLost, doubled: row.doubled }).toEqual({ grantsLost: 0, doubled: 0 });
      expect(row.granted).toBeGreaterThan(0);
    },
  );
});
