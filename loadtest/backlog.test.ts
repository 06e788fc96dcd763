import { expect, it } from 'vitest';
import { backlogGrowth } from './backlog.ts';

it('tells by how many a second a line grew, from the first look to the last', () => {
  const samples = [
    { inLine: 100, atMs: 1000 },
    { inLine: 900, atMs: 2000 },
    { inLine: 500, atMs: 3000 },
  ];
  expect(backlogGrowth(samples)).toBe(200);
  expect(backlogGrowth(samples.slice(0, 1))).toBe(0);
  expect(backlogGrowth([])).toBe(0);
});
