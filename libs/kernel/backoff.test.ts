import { describe, expect, test } from 'vitest';
import { backoffMs, DeadlineError, pause, withDeadline } from './backoff.ts';

describe('backoff', () => {
  test('stays under a ceiling that doubles up to its most, and is never nothing', () => {
    for (const [attempt, ceiling] of [
      [0, 100],
      [1, 100],
      [2, 200],
      [3, 400],
      [4, 500],
      [5000, 500],
    ] as const) {
      const waits = Array.from({ length: 300 }, () => backoffMs(attempt, { baseMs: 100, maxMs: 500 }));
      expect(Math.min(...waits)).toBeGreaterThan(0);
      expect(Math.max(...waits)).toBeLessThanOrEqual(ceiling);
      // Spread over all of it: those who failed together must not come back together.
      expect(Math.max(...waits) - Math.min(...waits)).toBeGreaterThan(ceiling * 0.8);
    }
  });
});

describe('pause', () => {
  test('ends at once when it is aborted, before or during, and leaves no listener', async () => {
    const abort = new AbortController();
    const startedMs = performance.now();
    const paused = pause(60_000, abort.signal);
    abort.abort();
    await paused;
    await pause(60_000, abort.signal);
    expect(performance.now() - startedMs).toBeLessThan(1000);
  });

  test('lasts as long as it says', async () => {
    const startedMs = performance.now();
    await pause(30, new AbortController().signal);
    expect(performance.now() - startedMs).toBeGreaterThanOrEqual(29);
  });
});

describe('a deadline', () => {
  test('passes on what came in time', async () => {
    await expect(withDeadline('work', 1000, Promise.resolve(1))).resolves.toBe(1);
    await expect(withDeadline('work', 1000, Promise.reject(new Error('no')))).rejects.toThrow('no');
  });

  test('names what was late, and swallows what comes after', async () => {
    let fail = (_: Error) => {};
    const late = new Promise((_, reject) => (fail = reject));
    await expect(withDeadline('the queue', 5, late)).rejects.toThrow(DeadlineError);
    await expect(withDeadline('the queue', 5, late)).rejects.toThrow('the queue did not answer within 5 ms');
    fail(new Error('too late to matter')); // Unhandled, it would end the process and this run.
    await pause(5);
  });
});
