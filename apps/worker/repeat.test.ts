import { metrics } from '@claimline/telemetry/metrics';
import { expect, test, vi } from 'vitest';
import { repeat } from './repeat.ts';

/** What the metrics say of errors in scheduled jobs. */
async function countErrors(): Promise<number> {
  const { values } = await metrics.errors.get();
  return values.find(({ labels }) => labels.where === 'schedule')?.value ?? 0;
}

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
  const errorsBefore = await countErrors();
  const repeated = [
    repeat({ name: 'slow', everyMs: 1, run: slow }, log as never),
    repeat({ name: 'quick', everyMs: 1, run: async () => void runs.quick++ }, log as never),
  ];
  try {
    await expect.poll(() => runs.quick, { timeout: 10_000 }).toBeGreaterThan(20);
    expect(runs.slow).toBe(1);
    finish(7);
    await expect.poll(() => runs.slow, { timeout: 10_000 }).toBe(3);
    expect(said).toEqual(['slow 7', 'slow broken']);
    expect(await countErrors()).toBe(errorsBefore + 1);
  } finally {
    for (const { stop } of repeated) stop();
  }
});

test('what is due once an hour is done in the first minutes as well, and no more once stopped', async () => {
  vi.useFakeTimers();
  try {
    const hourMs = 3_600_000;
    let runs = 0;
    const job = { name: 'hourly', everyMs: hourMs, run: async () => void runs++ };
    const { stop } = repeat(job, { info() {}, error() {} } as never);
    await vi.advanceTimersByTimeAsync(5 * 60_000);
    expect(runs).toBe(1);
    await vi.advanceTimersByTimeAsync(hourMs);
    expect(runs).toBe(2);
    stop();
    await vi.advanceTimersByTimeAsync(2 * hourMs);
    expect(runs).toBe(2);

    const early = repeat(job, { info() {}, error() {} } as never);
    early.stop();
    await vi.advanceTimersByTimeAsync(2 * hourMs);
    expect(runs).toBe(2);
  } finally {
    vi.useRealTimers();
  }
});
