import { expect, it } from 'vitest';
import { renderCores } from './cores.ts';

it('counts processes of a kind together, of whichever installation', () => {
  const text = renderCores([
    { title: 'one', cores: { api: 0.9, worker: 0.3, 'four-api-1': 0.01, others: -0.02 } },
    { title: 'four', cores: { 'four-api-1': 0.25, 'four-api-2': 0.25, 'bullmq-worker': 0.1, echo: 0.5 } },
  ]);
  expect(text.split('\n').filter(line => /^\| (?:one|four|cores)/.test(line))).toEqual([
    '| cores in use | api | worker | others | echo | all |',
    '| one | 0.91 | 0.30 | 0.00 | 0.00 | 1.21 |',
    '| four | 0.50 | 0.10 | 0.00 | 0.50 | 1.10 |',
  ]);
});
