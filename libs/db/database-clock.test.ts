import { expect, test } from 'vitest';
import { createDatabaseClock } from './database-clock.ts';

const hourMs = 3_600_000;

/** A network of two clocks: the database's is `aheadMs` ahead of the monotonic one. */
function setUp(aheadMs: number) {
  const now = { monotonicMs: 1000, aheadMs };
  const clock = createDatabaseClock(() => now.monotonicMs);
  function ping(thereMs: number, backMs: number) {
    const sentMs = now.monotonicMs;
    const databaseMs = sentMs + thereMs + now.aheadMs;
    now.monotonicMs += thereMs + backMs;
    clock.observe(sentMs, now.monotonicMs, databaseMs);
  }
  const errorMs = () => (clock.nowMs() ?? Number.NaN) - (now.monotonicMs + now.aheadMs);
  return { clock, now, ping, errorMs };
}

test('knows nothing before the first answer', () => {
  expect(setUp(0).clock.nowMs()).toBeUndefined();
});

test('goes on with the monotonic clock between answers', () => {
  const { now, ping, errorMs } = setUp(5 * hourMs);
  ping(1, 1);
  now.monotonicMs += hourMs;
  expect(errorMs()).toBe(0);
});

test('a slow, lopsided answer is corrected by quick ones and does not spoil them', () => {
  const { ping, errorMs } = setUp(1e12);
  ping(0, 400);
  expect(Math.abs(errorMs())).toBeLessThanOrEqual(200);
  ping(1, 1);
  expect(Math.abs(errorMs())).toBeLessThanOrEqual(1);
  ping(400, 0);
  ping(0, 400);
  expect(Math.abs(errorMs())).toBeLessThanOrEqual(1);
});

test('follows a database whose clock was set, in both directions', () => {
  const { now, ping, errorMs } = setUp(0);
  ping(1, 1);
  for (const stepMs of [hourMs, -2 * hourMs]) {
    now.aheadMs += stepMs;
    ping(1, 1);
    expect(Math.abs(errorMs())).toBeLessThanOrEqual(2);
  }
});
