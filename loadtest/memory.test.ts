import { expect, it } from 'vitest';
import { describeCourse, findGrown, readMemory } from './memory.ts';

it('compares the last quarter with the second, past the warming up', () => {
  const samples = [10, 90, 100, 100, 105, 110, 120, 130].map(api => ({ api }));
  expect(describeCourse('api', { api: 10 }, samples, { api: 80 })).toEqual({
    beforeMb: 10,
    peakMb: 130,
    afterMb: 80,
    growth: 1.25,
  });
  expect(describeCourse('api', { api: 10 }, samples.slice(0, 3), { api: 80 }).growth).toBe(1);
});

it('names what has grown, and where nothing was measured it claims nothing', () => {
  const courseOf = (name: string, samples: Record<string, number>[]) => ({
    name,
    ...describeCourse(name, {}, samples, {}),
  });
  const steady = courseOf('api', Array(8).fill({ api: 100 }));
  const growing = courseOf(
    'worker',
    [100, 100, 100, 100, 100, 100, 200, 200].map(worker => ({ worker })),
  );
  expect(findGrown([steady, growing], ['api', 'worker'], 1.3)).toEqual(['worker']);
  expect(findGrown([steady, growing], ['api'], 1.3)).toEqual([]);
  expect(findGrown([], ['api'], 1.3)).toBeNull();
  expect(findGrown([courseOf('api', Array(8).fill({}))], ['api'], 1.3)).toBeNull();
});

it.runIf(process.platform === 'linux')('sees what this process occupies', () => {
  const { me } = readMemory({ me: process.pid });
  expect(me).toBeGreaterThan(10);
  expect(me).toBeLessThan(4000);
});
