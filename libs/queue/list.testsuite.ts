import { expect, test } from 'vitest';
import { type Engine, Poison } from './engine.ts';
import { holding, laneOptions, newLane, type World } from './testing-lanes.ts';

/** What is undecided in a lane. */
export function listSuite(world: () => World): void {
  test('counts and lists what is undecided: waiting, in hand and waiting for another try', async () => {
    const { engine } = world().adding;
    const lane = newLane();
    expect(await engine.countUndecided(lane)).toBe(0);
    expect(await engine.listUndecided(lane, 10)).toEqual({ jobs: [], isComplete: true });
    const hold = holding();
    const options = laneOptions({
      async handle(job) {
        if (job.id === 'poisoned') throw new Poison('no');
        if (job.id === 'failing') throw new Error('later');
        if (job.id === 'held') await hold.wait();
      },
    });
    for (const id of ['done', 'poisoned', 'failing', 'held', 'waiting'])
      await engine.add(lane, { id, name: 'c', data: { id } });
    const opened = world().working.engine.openLane(lane, options);
    await expect.poll(() => hold.waiting, { timeout: 5000 }).toBe(1);
    const listed = (await engine.listUndecided(lane, 10)).jobs as { id: string }[];
    expect(listed.map(one => one.id).sort()).toEqual(['failing', 'held', 'waiting']);
    expect(await engine.countUndecided(lane)).toBe(3);
    await engine.queue(lane).remove('failing');
    hold.release();
    await opened.close();
  });

  test('counts and lists the jobs of a lane that an operator paused', async () => {
    const { engine } = world().adding;
    const lane = newLane();
    for (const id of ['a', 'b']) await engine.add(lane, { id, name: 'c', data: id });
    await engine.queue(lane).pause();
    await engine.add(lane, { id: 'c', name: 'c', data: 'c' });
    expect(await engine.countUndecided(lane)).toBe(3);
    expect((await engine.listUndecided(lane, 10)).jobs.sort()).toEqual(['a', 'b', 'c']);
    await engine.queue(lane).resume();
    expect(await engine.countUndecided(lane)).toBe(3);
  });

  test('lists up to the limit, and says when there are more', async () => {
    const { engine } = world().adding;
    const lane = newLane();
    const count = 2100;
    await addMany(engine, lane, count);
    const all = await engine.listUndecided(lane, 100_000);
    expect((all.jobs as number[]).sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i));
    expect(all.isComplete).toBe(true);
    const some = await engine.listUndecided(lane, 50);
    expect(some.jobs).toHaveLength(50);
    expect(some.isComplete).toBe(false);
    expect(await engine.countUndecided(lane)).toBe(count);
  });

  test('a job is in the list until it is done', async () => {
    const { engine } = world().adding;
    const lane = newLane();
    const count = 150;
    const hold = holding();
    const done = new Set<unknown>();
    const missed = new Set<unknown>();
    await addMany(engine, lane, count);
    // Each job is in hand for as long as it takes to list the line once more.
    const opened = world().working.engine.openLane(
      lane,
      laneOptions({
        inHand: 3,
        async handle(job) {
          await hold.wait();
          done.add(job.data);
        },
      }),
    );
    while (done.size < count) {
      const listed = new Set((await engine.listUndecided(lane, 100_000)).jobs);
      for (let i = 0; i < count; i++) if (!done.has(i) && !listed.has(i)) missed.add(i);
      hold.release();
    }
    await opened.close();
    expect([...missed]).toEqual([]);
  });

  test('a job is counted at every moment until it is done', async () => {
    const { engine } = world().adding;
    const lane = newLane();
    const count = 150;
    let done = 0;
    let tooFew = 0;
    await addMany(engine, lane, count);
    const opened = world().working.engine.openLane(
      lane,
      laneOptions({
        inHand: 3,
        async handle() {
          await Promise.resolve();
          done++;
        },
      }),
    );
    while (done < count) {
      const counted = await engine.countUndecided(lane);
      if (counted < count - done) tooFew++;
    }
    await opened.close();
    expect(tooFew).toBe(0);
  });
}

async function addMany(engine: Engine, lane: string, count: number): Promise<void> {
  await engine
    .queue(lane)
    .addBulk(Array.from({ length: count }, (_, i) => ({ name: 'c', data: i, opts: { jobId: `j${i}` } })));
}
