import { expect, test } from 'vitest';
import type { Fault } from './fault.ts';
import { runFault } from './run-fault.ts';

const fault: Fault = { id: 'F0', title: 'nothing', run: async () => {} };

test('a stack that does not come back is a finding, and a fresh one is asked for', async () => {
  const asked: string[] = [];
  const stacks = {
    async get(): Promise<never> {
      asked.push('get');
      throw new Error('it is not healthy', { cause: new Error('no API answers') });
    },
    logs: () => '--- api 0\nnot healthy\n',
    async stop() {
      asked.push('stop');
      throw new Error('ended by themselves: api 0');
    },
  };
  const said: string[] = [];
  const run = { engine: 'redis', size: 'short', seed: 1, say: (line: string) => said.push(line) } as const;
  const row = await runFault(fault, stacks, run);
  expect(row.findings).toEqual(Array(2).fill('there was no stack: it is not healthy: no API answers'));
  expect(asked.slice(0, 4)).toEqual(['get', 'stop', 'get', 'stop']);
  expect(said.join('\n')).toContain('not healthy');
});
