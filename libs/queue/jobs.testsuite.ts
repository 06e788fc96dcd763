import { expect, test } from 'vitest';
import { type LaneJob, type OpenLane, Poison, Postponed, queueLimits } from './engine.ts';
import { withLimits } from './testing.ts';
import { holding, laneOptions, newLane, type World } from './testing-lanes.ts';

/** What becomes of a job. */
export function jobSuite(world: () => World): void {
  /** Opens a lane for one test and closes it afterwards. */
  async function withLane(
    lane: string,
    options: ReturnType<typeof laneOptions>,
    work: (opened: OpenLane) => Promise<void>,
  ): Promise<void> {
    const opened = world().working.engine.openLane(lane, options);
    try {
      await work(opened);
      expect(options.errors).toEqual([]);
    } finally {
      await opened.close();
    }
  }

  test('takes jobs in the order in which they were added, with their data', async () => {
    const { engine } = world().adding;
    const lane = newLane();
    const jobs = Array.from({ length: 30 }, (_, i) => ({
      id: `person ${i} "é\n☂.${i}x`,
      name: 'a coupon: "50 %" 🎟',
      data: { i, text: 'ß\n"🎟', nested: [['t', 'u', i]], none: null },
    }));
    for (const job of jobs.slice(0, 15)) await engine.add(lane, job);
    const taken: LaneJob[] = [];
    const options = laneOptions({ handle: async job => void taken.push(job) });
    await withLane(lane, options, async opened => {
      for (const job of jobs.slice(15)) await engine.add(lane, job);
      await expect.poll(() => taken.length, { timeout: 5000 }).toBe(jobs.length);
      expect(taken).toEqual(jobs.map(({ id, data }) => ({ id, data })));
      expect(performance.now() - opened.lastBusyMs).toBeLessThan(5000);
    });
    expect(await engine.countUndecided(lane)).toBe(0);
  });

  test('keeps as many jobs in hand as it may, and no more', async () => {
    const { engine } = world().adding;
    const lane = newLane();
    const hold = holding();
    let most = 0;
    let done = 0;
    for (let i = 0; i < 12; i++) await engine.add(lane, { id: `j${i}`, name: 'c', data: i });
    const options = laneOptions({
      inHand: 5,
      async handle() {
        const released = hold.wait();
        most = Math.max(most, hold.waiting);
        await released;
        done++;
      },
    });
    await withLane(lane, options, async () => {
      while (done < 12) {
        await expect.poll(() => hold.waiting, { timeout: 5000 }).toBe(Math.min(5, 12 - done));
        const before = done;
        hold.release();
        await expect.poll(() => done, { timeout: 5000 }).toBeGreaterThan(before);
      }
    });
    expect(most).toBe(5);
  });

  test('drops a repeated add of one id while that job exists, waiting or done', async () => {
    const { engine } = world().adding;
    const lane = newLane();
    const taken: unknown[] = [];
    await engine.add(lane, { id: 'same.1', name: 'c', data: 'first' });
    await engine.add(lane, { id: 'same.1', name: 'c', data: 'second' });
    expect(await engine.countUndecided(lane)).toBe(1);
    await withLane(lane, laneOptions({ handle: async job => void taken.push(job.data) }), async () => {
      await expect.poll(() => taken.length, { timeout: 5000 }).toBe(1);
      await engine.add(lane, { id: 'same.1', name: 'c', data: 'third' });
      await engine.add(lane, { id: 'other.1', name: 'c', data: 'other' });
      await expect.poll(() => taken.at(-1), { timeout: 5000 }).toBe('other');
      expect(taken).toEqual(['first', 'other']);
    });
  });

  test('gives up a poisoned job at once, says so once, and goes on', async () => {
    const { engine } = world().adding;
    const lane = newLane();
    const taken: string[] = [];
    const options = laneOptions({
      async handle(job) {
        taken.push(job.id);
        if (job.id === 'bad') throw new Poison('cannot be read');
      },
    });
    await engine.add(lane, { id: 'bad', name: 'c', data: { x: 1 } });
    await engine.add(lane, { id: 'good', name: 'c', data: { x: 2 } });
    await withLane(lane, options, async () => {
      await expect.poll(() => [taken.length, options.dead.length], { timeout: 5000 }).toEqual([2, 1]);
    });
    expect(taken).toEqual(['bad', 'good']);
    expect(options.dead[0]?.job).toEqual({ id: 'bad', data: { x: 1 } });
    expect(options.dead[0]?.error.message).toBe('cannot be read');
    const job = await engine.queue(lane).getJob('bad');
    expect(await job?.getState()).toBe('failed');
    expect(job?.failedReason).toBe('cannot be read');
    expect(await engine.countUndecided(lane)).toBe(0);
  });

  test('drops finished jobs that were kept long enough and no others, or a queue as a whole', async () => {
    const { engine } = world().adding;
    const lane = newLane();
    await engine.add(lane, { id: 'done', name: 'c', data: 1 });
    await withLane(lane, laneOptions({ handle: async () => {} }), async () => {
      await expect.poll(() => engine.countUndecided(lane), { timeout: 5000 }).toBe(0);
    });
    await engine.add(lane, { id: 'waits', name: 'c', data: 2 });
    await engine.clean(lane);
    expect(await engine.queue(lane).getJobCounts('completed', 'waiting')).toEqual({
      completed: 1,
      waiting: 1,
    });
    await withLimits(queueLimits.completedKept, { age: 0 }, () => engine.clean(lane));
    expect(await engine.queue(lane).getJobCounts('completed', 'waiting')).toEqual({
      completed: 0,
      waiting: 1,
    });
    await engine.drop(lane);
    expect(await engine.countUndecided(lane)).toBe(0);
    await engine.add(lane, { id: 'waits', name: 'c', data: 3 });
    expect([await engine.countUndecided(lane), await engine.queue(lane).isPaused()]).toEqual([1, false]);
    await engine.drop(lane);
  });

  test('removes a job that waits or has ended, so that its id can come again, and leaves one in hand', async () => {
    const { engine } = world().adding;
    const lane = newLane();
    const held = holding();
    const taken: unknown[] = [];
    const options = laneOptions({
      async handle(job) {
        taken.push(job.data);
        await held.wait();
      },
    });
    const removed: boolean[] = [];
    const addAgain = async (data: string) => {
      removed.push(await engine.remove(lane, 'one'));
      await engine.add(lane, { id: 'one', name: 'c', data });
    };
    await addAgain('first');
    await addAgain('second');
    await withLane(lane, options, async () => {
      await expect.poll(() => held.waiting, { timeout: 5000 }).toBe(1);
      await addAgain('third');
      held.release();
      await expect.poll(() => engine.countUndecided(lane), { timeout: 5000 }).toBe(0);
      await addAgain('fourth');
      await expect.poll(() => held.waiting, { timeout: 5000 }).toBe(1);
      held.release();
    });
    expect(taken).toEqual(['second', 'fourth']);
    expect(removed).toEqual([true, true, false, true]);
  });

  test('tries a job that fails again with growing waits, lets others pass, and gives up in the end', async () => {
    const { engine } = world().adding;
    const lane = newLane();
    const triedMs: number[] = [];
    let otherMs = 0;
    const options = laneOptions({
      async handle(job) {
        if (job.id === 'other') {
          otherMs = performance.now();
          return;
        }
        triedMs.push(performance.now());
        throw new Error(`try ${triedMs.length}`);
      },
    });
    await withLimits(queueLimits, { retryBaseMs: 40 }, async () => {
      await engine.add(lane, { id: 'failing', name: 'c', data: 1 });
      await engine.add(lane, { id: 'other', name: 'c', data: 2 });
    });
    await withLane(lane, options, async () => {
      await expect.poll(() => options.dead.length, { timeout: 8000 }).toBe(1);
    });
    expect(triedMs).toHaveLength(queueLimits.attempts);
    const [first, second, , , last] = triedMs as [number, number, number, number, number];
    expect(second - first).toBeGreaterThanOrEqual(40 * (1 - queueLimits.retryJitter) - 5);
    expect(last - (triedMs[3] as number)).toBeGreaterThanOrEqual(320 * (1 - queueLimits.retryJitter) - 5);
    expect(otherMs).toBeLessThan(second);
    expect(options.dead.map(one => [one.job, one.error.message])).toEqual([
      [{ id: 'failing', data: 1 }, `try ${queueLimits.attempts}`],
    ]);
    expect(await (await engine.queue(lane).getJob('failing'))?.getState()).toBe('failed');
  });

  test('a job that fails and then succeeds is done; a dead one that is retried by hand is taken again', async () => {
    const { engine } = world().adding;
    const lane = newLane();
    let isBroken = true;
    let tries = 0;
    const options = laneOptions({
      async handle(job) {
        if (job.id === 'dead' && isBroken) throw new Poison('broken');
        if (job.id === 'shaky' && ++tries < 3) throw new Error('not yet');
        return 'well';
      },
    });
    await withLimits(queueLimits, { retryBaseMs: 20 }, () =>
      engine.add(lane, { id: 'shaky', name: 'c', data: 1 }),
    );
    await engine.add(lane, { id: 'dead', name: 'c', data: 2 });
    const stateOf = async (id: string) => (await engine.queue(lane).getJob(id))?.getState();
    await withLane(lane, options, async () => {
      await expect.poll(() => stateOf('shaky'), { timeout: 5000 }).toBe('completed');
      await expect.poll(() => stateOf('dead'), { timeout: 5000 }).toBe('failed');
      expect((await engine.queue(lane).getJob('shaky'))?.returnvalue).toBe('well');
      isBroken = false;
      await (await engine.queue(lane).getJob('dead'))?.retry('failed');
      await expect.poll(() => stateOf('dead'), { timeout: 5000 }).toBe('completed');
    });
    expect(options.dead).toHaveLength(1);
  });

  test('a postponed job is taken again, as often as it takes, without using up an attempt', async () => {
    const { engine } = world().adding;
    const lane = newLane();
    const times = queueLimits.attempts + 3;
    const taken: string[] = [];
    const options = laneOptions({
      async handle(job) {
        taken.push(job.id);
        if (job.id === 'first' && taken.filter(id => id === 'first').length <= times) throw new Postponed();
      },
    });
    await engine.add(lane, { id: 'first', name: 'c', data: 1 });
    await engine.add(lane, { id: 'second', name: 'c', data: 2 });
    await withLane(lane, options, async () => {
      await expect.poll(() => taken.length, { timeout: 5000 }).toBe(times + 2);
      await expect.poll(() => engine.countUndecided(lane), { timeout: 5000 }).toBe(0);
    });
    // BullMQ's Postgres backend puts a job that is handed back at the end of the line.
    if (engine.kind === 'redis') expect(taken.at(-1)).toBe('second');
    expect(options.dead).toEqual([]);
    expect((await engine.queue(lane).getJob('first'))?.attemptsMade).toBe(1);
  });

  test('close waits for the jobs in hand; what is postponed then waits for whoever opens the lane next', async () => {
    const { engine } = world().adding;
    const lane = newLane();
    const hold = holding();
    const options = laneOptions({
      inHand: 2,
      async handle(job) {
        await hold.wait();
        if (job.id === 'b') throw new Postponed();
      },
    });
    for (const id of ['a', 'b', 'c']) await engine.add(lane, { id, name: 'c', data: id });
    const opened = world().working.engine.openLane(lane, options);
    await expect.poll(() => hold.waiting, { timeout: 5000 }).toBe(2);
    let isClosed = false;
    const closed = opened.close().then(() => {
      isClosed = true;
    });
    expect(await engine.countUndecided(lane)).toBe(3);
    expect(isClosed).toBe(false);
    hold.release();
    await closed;
    expect(await engine.countUndecided(lane)).toBe(2);

    const later: string[] = [];
    await withLane(lane, laneOptions({ handle: async job => void later.push(job.id) }), async () => {
      await expect.poll(() => [...later].sort(), { timeout: 5000 }).toEqual(['b', 'c']);
    });
    expect(options.errors).toEqual([]);
  });
}
