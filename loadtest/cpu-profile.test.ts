import { expect, it } from 'vitest';
import { aggregateSelfTimes, renderSelfTimes } from './cpu-profile.ts';

const frame = (functionName: string, url: string, lineNumber = 0) => ({ functionName, url, lineNumber });

it('adds up own times by function and file, without idling', () => {
  const times = aggregateSelfTimes({
    nodes: [
      { id: 1, callFrame: frame('(idle)', '') },
      { id: 2, callFrame: frame('settle', 'file:///x/libs/claims/lane.ts?1', 3) },
      { id: 3, callFrame: frame('settle', 'file:///x/libs/claims/lane.ts?1', 9) },
      { id: 4, callFrame: frame('', 'file:///x/node_modules/a/node_modules/b/c.js') },
    ],
    samples: [1, 2, 3, 4, 1],
    timeDeltas: [0, 5000, 1000, 2000, 500],
  });
  expect(times).toEqual([
    { name: 'settle', file: 'libs/claims/lane.ts', selfMs: 3 },
    { name: '(anonymous)', file: 'b/c.js', selfMs: 0.5 },
  ]);
  expect(renderSelfTimes(times, 1)).toBe('4 ms busy\n 85.7 %       3 ms  settle  libs/claims/lane.ts');
});
