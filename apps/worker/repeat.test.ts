import { expect, test } from 'vitest';
import { repeat } from './repeat.ts';

test('a run is skipped while the last one is under way, and one that fails does not end it', async () => {
  const said: string[] = [];
  const log = {
    info: (fields: { job: string; done: number }) => void said.push(`${fields.job} ${fields.done}`),
    error: (fields: { job: string; err: Error }) => void said.push(`${fields.job} ${fields.err.message}`),
  };
  let finish: (done: number) => void = () => {};
  const runs = { slow: 0, quick: 0 };
  const slow = () => {
    runs.slow++;
    if (runs.slow === 2) return Promise.reject(new Error('broken'));
    return new Promise<number>(resolve => {
      finish = resolve;
    });
  };
  const timers = [
    repeat({ name: 'slow', everyMs: 1, run: slow }, log as never),
    repeat({ name: 'quick', everyMs: 1, run: async () => void runs.quick++ }, log as never),
  ];
  try {
    await expect.poll(() => runs.quick, { timeout: 10_000 }).toBeGreaterThan(20);
    expect(runs.slow).toBe(1);
    finish(7);
    await expect.poll(() => runs.slow, { timeout: 10_000 }).toBe(3);
    expect(said).toEqual(['slow 7', 'slow broken']);
  } finally {
    timers.forEach(clearInterval);
  }
});
