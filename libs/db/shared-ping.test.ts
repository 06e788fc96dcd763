import { expect, test } from 'vitest';
import { createSharedPing, type SharedPingOptions } from './shared-ping.ts';

/** A shared ping whose answers the test gives by hand. */
function setUp(options: Partial<SharedPingOptions> = {}) {
  const sent: { answer(): void; fail(): void }[] = [];
  let deaths = 0;
  const shared = createSharedPing({
    ping: () =>
      new Promise((resolve, reject) =>
        sent.push({ answer: () => resolve(1), fail: () => reject(new Error()) }),
      ),
    minIntervalMs: 0,
    timeoutMs: 1000,
    deadMs: 2000,
    onDead: () => deaths++,
    ...options,
  });
  shared.open();
  return { shared, sent, deaths: () => deaths };
}

const stateOf = async (promise: Promise<boolean>) => {
  const pending = Symbol('pending');
  await new Promise(resolve => setImmediate(resolve));
  const state = await Promise.race([promise, Promise.resolve(pending)]);
  return state === pending ? 'pending' : state;
};

test('whoever comes while a ping is under way waits for the next one', async () => {
  const { shared, sent } = setUp();
  const first = shared.barrier();
  const later = [shared.barrier(), shared.barrier()];
  expect(sent).toHaveLength(1);
  sent[0]?.answer();
  expect(await first).toBe(true);
  expect(await stateOf(later[0]!)).toBe('pending');
  expect(sent).toHaveLength(2);
  sent[1]?.answer();
  expect(await Promise.all(later)).toEqual([true, true]);
});

test('a stampede costs a ping per interval', async () => {
  let pings = 0;
  const { shared } = setUp({ ping: async () => pings++, minIntervalMs: 10 });
  const startedMs = performance.now();
  let calls = 0;
  while (performance.now() - startedMs < 200) {
    calls += 100;
    const answers = await Promise.all(Array.from({ length: 100 }, () => shared.barrier()));
    expect(answers).not.toContain(false);
  }
  expect(calls).toBeGreaterThan(500);
  expect(pings).toBeLessThanOrEqual((performance.now() - startedMs) / 10 + 2);
});

test('after a ping that did not answer in time nobody waits until it does', async () => {
  const { shared, sent } = setUp({ timeoutMs: 20 });
  const both = [shared.barrier(), shared.barrier()];
  expect(await Promise.all(both)).toEqual([false, false]);
  expect(await shared.barrier()).toBe(false);
  expect(sent).toHaveLength(1);
  sent[0]?.answer();
  await expect.poll(async () => stateOf(shared.barrier())).toBe('pending');
  sent[1]?.answer();
});

test('a ping that is never answered is reported once', async () => {
  const { shared, sent, deaths } = setUp({ timeoutMs: 5, deadMs: 20 });
  const answered = shared.barrier();
  await expect.poll(deaths).toBe(1);
  expect(await answered).toBe(false);
  expect(sent).toHaveLength(1);
});

test('a ping that fails is false, and the next one is tried', async () => {
  const { shared, sent } = setUp();
  const [first, second] = [shared.barrier(), shared.barrier()];
  sent[0]?.fail();
  expect(await first).toBe(false);
  sent[1]?.answer();
  expect(await second).toBe(true);
});

test('closing answers everybody false, and a late answer counts for nobody afterwards', async () => {
  const { shared, sent } = setUp();
  const waiting = [shared.barrier(), shared.barrier()];
  shared.close();
  expect(await Promise.all(waiting)).toEqual([false, false]);
  expect(await shared.barrier()).toBe(false);
  shared.open();
  const after = shared.barrier();
  sent[0]?.answer();
  expect(await stateOf(after)).toBe('pending');
  sent[1]?.answer();
  expect(await after).toBe(true);
});
