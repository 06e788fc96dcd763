import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type LaneJob, type LaneOptions, type OpenLane, Poison, Postponed, queueLimits } from './engine.ts';
import { hostSuite } from './host.testsuite.ts';
import { rosterSuite } from './roster.testsuite.ts';
import { takeOverSuite } from './take-over.testsuite.ts';
import {
  describeOnEngine,
  type EngineKind,
  openTestEngine,
  startTestStores,
  type TestEngine,
} from './testing.ts';

/** Two engines on the same stores, as two processes have them: one adds, one works. */
export type World = { stores: TestStores; adding: TestEngine; working: TestEngine };

/** What every engine must do: one interface, one suite. */
export function queueSuite(kind: EngineKind): void {
  describeOnEngine(kind, () => {
    let world: World;
    beforeAll(async () => {
      const stores = await startTestStores(kind);
      world = {
        stores,
        adding: await openTestEngine(stores, 'accepting'),
        working: await openTestEngine(stores, 'working'),
      };
    });
    afterAll(async () => {
      await world.adding.close();
      await world.working.close();
      await world.stores.stop();
    });

    jobSuite(() => world);
    listSuite(() => world);
    rosterSuite(() => world);
    // The slow ones wait for leases, locks and quiet times as they are, so they wait together.
    describe.concurrent('in time', () => {
      takeOverSuite(() => world);
      hostSuite(() => world);
    });
    test('nothing was complained of', () => {
      expect([...world.adding.errors, ...world.working.errors]).toEqual([]);
    });
  });
}

/** A lane name that no other test uses. */
export function newLane(): string {
  return `claims.${randomUUID()}`;
}

/** A lane's options with what a test does not care for. */
export function laneOptions(
  options: Partial<LaneOptions> & Pick<LaneOptions, 'handle'>,
): LaneOptions & { dead: { job: LaneJob; error: Error }[]; errors: Error[] } {
  const dead: { job: LaneJob; error: Error }[] = [];
  const errors: Error[] = [];
  return {
    inHand: 1,
    async onDead(job, error) {
      dead.push({ job, error });
    },
    onError: error => void errors.push(error),
    ...options,
    dead,
    errors,
  };
}

function jobSuite(world: () => World): void {
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
    let inHand = 0;
    let done = 0;
    let most = 0;
    let release = () => {};
    const gate = new Promise<void>(resolve => {
      release = resolve;
    });
    for (let i = 0; i < 12; i++) await engine.add(lane, { id: `j${i}`, name: 'c', data: i });
    const options = laneOptions({
      inHand: 5,
      async handle() {
        most = Math.max(most, ++inHand);
        await gate;
        inHand--;
        done++;
      },
    });
    await withLane(lane, options, async () => {
      await expect.poll(() => inHand, { timeout: 5000 }).toBe(5);
      release();
      await expect.poll(() => done, { timeout: 5000 }).toBe(12);
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
    await withRetryBase(40, async () => {
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
    await withRetryBase(20, () => engine.add(lane, { id: 'shaky', name: 'c', data: 1 }));
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

  test('a postponed job goes back to its place, as often as it takes, without using up an attempt', async () => {
    const { engine } = world().adding;
    const lane = newLane();
    const times = queueLimits.attempts + 3;
    const taken: string[] = [];
    const options = laneOptions({
      async handle(job) {
        taken.push(job.id);
        if (job.id === 'first' && taken.length <= times) throw new Postponed();
      },
    });
    await engine.add(lane, { id: 'first', name: 'c', data: 1 });
    await engine.add(lane, { id: 'second', name: 'c', data: 2 });
    await withLane(lane, options, async () => {
      await expect.poll(() => taken.at(-1), { timeout: 5000 }).toBe('second');
      await expect.poll(() => engine.countUndecided(lane), { timeout: 5000 }).toBe(0);
    });
    expect(taken).toEqual([...Array(times + 1).fill('first'), 'second']);
    expect(options.dead).toEqual([]);
    expect((await engine.queue(lane).getJob('first'))?.attemptsMade).toBe(1);
  });

  test('close waits for the job in hand; what is postponed then waits for whoever opens the lane next', async () => {
    const { engine } = world().adding;
    const lane = newLane();
    let release = () => {};
    let taken = 0;
    const options = laneOptions({
      inHand: 2,
      async handle(job) {
        taken++;
        await new Promise<void>(resolve => {
          const before = release;
          release = () => {
            before();
            resolve();
          };
        });
        if (job.id === 'b') throw new Postponed();
      },
    });
    for (const id of ['a', 'b', 'c']) await engine.add(lane, { id, name: 'c', data: id });
    const opened = world().working.engine.openLane(lane, options);
    await expect.poll(() => taken, { timeout: 5000 }).toBe(2);
    const closed = opened.close();
    release();
    await closed;
    expect(await engine.countUndecided(lane)).toBe(2);

    const later: string[] = [];
    await withLane(lane, laneOptions({ handle: async job => void later.push(job.id) }), async () => {
      await expect.poll(() => later, { timeout: 5000 }).toEqual(['b', 'c']);
    });
    expect(options.errors).toEqual([]);
  });
}

function listSuite(world: () => World): void {
  test('counts and lists what is undecided: waiting, in hand and waiting for another try', async () => {
    const { engine } = world().adding;
    const lane = newLane();
    expect([await engine.countUndecided(lane), await engine.listUndecided(lane, 10)]).toEqual([0, []]);
    let release = () => {};
    const options = laneOptions({
      async handle(job) {
        if (job.id === 'poisoned') throw new Poison('no');
        if (job.id === 'failing') throw new Error('later');
        if (job.id === 'held')
          await new Promise<void>(resolve => {
            release = resolve;
          });
      },
    });
    for (const id of ['done', 'poisoned', 'failing', 'held', 'waiting'])
      await engine.add(lane, { id, name: 'c', data: { id } });
    const opened = world().working.engine.openLane(lane, options);
    await expect.poll(() => engine.queue(lane).getActiveCount(), { timeout: 5000 }).toBe(1);
    await expect.poll(async () => (await engine.queue(lane).getActive())[0]?.id).toBe('held');
    const listed = (await engine.listUndecided(lane, 10)) as { id: string }[];
    expect(listed.map(one => one.id).sort()).toEqual(['failing', 'held', 'waiting']);
    expect(await engine.countUndecided(lane)).toBe(3);
    expect(await engine.listUndecided(lane, 0)).toEqual([]);
    await engine.queue(lane).remove('failing');
    release();
    await opened.close();
  });

  test('lists lines longer than a page, up to the limit', async () => {
    const { engine } = world().adding;
    const lane = newLane();
    const count = 2 * queueLimits.page + 100;
    await engine
      .queue(lane)
      .addBulk(Array.from({ length: count }, (_, i) => ({ name: 'c', data: i, opts: { jobId: `j${i}` } })));
    const all = (await engine.listUndecided(lane, 100_000)) as number[];
    expect(all.sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i));
    expect(await engine.listUndecided(lane, queueLimits.page + 50)).toHaveLength(queueLimits.page + 50);
    expect(await engine.countUndecided(lane)).toBe(count);
  });

  test('a job is in the list at every moment until it is done', async () => {
    const { engine } = world().adding;
    const lane = newLane();
    const count = 400;
    const done = new Set<number>();
    const missed: number[] = [];
    await engine
      .queue(lane)
      .addBulk(Array.from({ length: count }, (_, i) => ({ name: 'c', data: i, opts: { jobId: `j${i}` } })));
    const opened = world().working.engine.openLane(
      lane,
      laneOptions({
        async handle(job) {
          await new Promise(resolve => setImmediate(resolve));
          done.add(job.data as number);
        },
      }),
    );
    while (done.size < count) {
      const listed = new Set(await engine.listUndecided(lane, 100_000));
      for (let i = 0; i < count; i++) if (!done.has(i) && !listed.has(i)) missed.push(i);
    }
    await opened.close();
    expect(missed).toEqual([]);
  });
}

/** Jobs added in `work` are retried after this instead of the half second; the limit is read at each add. */
async function withRetryBase(ms: number, work: () => Promise<void>): Promise<void> {
  const limits = queueLimits as { retryBaseMs: number };
  const before = limits.retryBaseMs;
  limits.retryBaseMs = ms;
  try {
    await work();
  } finally {
    limits.retryBaseMs = before;
  }
}
