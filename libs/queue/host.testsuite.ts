import { pause } from '@claimline/kernel/backoff';
import { test } from 'vitest';
import type { OpenLane } from './engine.ts';
import { type Host, hostLimits, openHost } from './host.ts';
import { openTestEngine, withLimits } from './testing.ts';
import { emptyRoster, holding, laneOptions, newLane, type World } from './testing-lanes.ts';

/** A machine with other work takes its time. */
const inTime = { timeout: 30_000, interval: 10 };

export function hostSuite(world: () => World): void {
  test('a host opens wanted lanes, closes quiet ones when they are done, and hands over', {
    timeout: 120_000,
  }, async ({ expect }) => {
    const { adding, working, stores } = world();
    const second = await openTestEngine(stores);
    const [lane, busy] = [newLane(), newLane()];
    const taken: string[] = [];
    const errors: Error[] = [];
    const notDone = new Set([busy]);

    function startHost(name: string, engine: typeof working.engine): Promise<Host> {
      return openHost({
        engine,
        lanesMost: 10,
        open: (opened): OpenLane =>
          engine.openLane(opened, laneOptions({ handle: async job => void taken.push(`${name} ${job.id}`) })),
        isDone: async one => !notDone.has(one),
        onError: error => void errors.push(error),
      });
    }
    async function send(to: string, id: string) {
      await adding.engine.roster.want(to, 'label');
      await adding.engine.add(to, { id, name: 'c', data: id });
    }
    const hasTaken = async (what: string) => expect.poll(() => taken, inTime).toContain(what);

    const first = await startHost('first', working.engine);
    try {
      await send(lane, 'j1');
      await send(busy, 'j2');
      await hasTaken('first j1');
      await hasTaken('first j2');
      expect([...first.lanes].sort()).toEqual([lane, busy].sort());

      const other = await startHost('other', second.engine);
      expect(other.lanes).toEqual([]); // Both lanes have an owner.
      await first.close();
      expect(first.lanes).toEqual([]);
      await expect.poll(() => [...other.lanes].sort(), inTime).toEqual([lane, busy].sort());
      const busyMs = performance.now();
      await send(lane, 'j3');
      await hasTaken('other j3');

      // It outlives its lease by far, then closes; the one that is not done stays.
      await expect.poll(() => other.lanes, inTime).toEqual([busy]);
      const closedMs = performance.now();
      expect(closedMs - busyMs).toBeGreaterThan(hostLimits.quietMs - hostLimits.roundMs);
      await expect.poll(() => other.lastRoundMs, inTime).toBeGreaterThan(closedMs);
      expect([...taken].sort()).toEqual(['first j1', 'first j2', 'other j3']);

      notDone.clear();
      // It was opened anew meanwhile, since it was said to have jobs, and takes its time again.
      await expect.poll(() => other.lanes, inTime).toEqual([]);
      await send(lane, 'j4'); // A closed lane opens again.
      await hasTaken('other j4');
      await other.close();
      expect(errors).toEqual([]);
      expect(second.errors).toEqual([]);
    } finally {
      await first.close();
      await second.close();
    }
  });
}

/** Alone, since it counts what there is to be taken. */
export function crowdedHostSuite(world: () => World): void {
  test('a sale gets a lane however many of another kind are open', async ({ expect }) => {
    await emptyRoster(world());
    const { adding, working } = world();
    const [webhooks, claims] = [[newLane('webhooks'), newLane('webhooks')], newLane('claims')];
    const host = await openHost({
      engine: working.engine,
      lanesMost: 1,
      open: opened => working.engine.openLane(opened, laneOptions({ handle: async () => {} })),
      isDone: async () => false,
      onError: error => expect.unreachable(error.message),
    });
    try {
      for (const lane of webhooks) await adding.engine.roster.want(lane, 'label');
      await expect.poll(() => host.lanes, inTime).toHaveLength(1);
      await adding.engine.roster.want(claims, 'label');
      await expect.poll(() => host.lanes, inTime).toHaveLength(2);
      expect(host.lanes).toContain(claims);
    } finally {
      await host.close();
      await emptyRoster(world());
    }
  });

  test('a lane whose job takes long stays open, and holds no other lane up', async ({ expect }) => {
    const { adding, working } = world();
    const [slow, other] = [newLane('webhooks'), newLane()];
    const door = holding();
    await withLimits(hostLimits, { quietMs: 200, roundMs: 50 }, async () => {
      const host = await openHost({
        engine: working.engine,
        lanesMost: 10,
        open: opened => working.engine.openLane(opened, laneOptions({ handle: () => door.wait() })),
        isDone: async () => true,
        onError: error => expect.unreachable(error.message),
      });
      try {
        await adding.engine.roster.want(slow, 'label');
        await adding.engine.add(slow, { id: 'slow', name: 'c', data: 1 });
        await expect.poll(() => door.waiting, { timeout: 5000 }).toBe(1);
        await pause(3 * hostLimits.quietMs);
        await adding.engine.roster.want(other, 'label');
        await expect.poll(() => [...host.lanes].sort(), { timeout: 5000 }).toEqual([slow, other].sort());
        door.release();
        await expect.poll(() => host.lanes, { timeout: 5000 }).toEqual([]);
      } finally {
        door.release();
        await host.close();
        await emptyRoster(world());
      }
    });
  });

  test('a lane that has jobs and takes none is opened anew', async ({ expect }) => {
    const { adding, working } = world();
    const lane = newLane();
    const taken: string[] = [];
    let opened = 0;
    const hanging: OpenLane = { close: async () => {}, lastBusyMs: performance.now() };
    await withLimits(hostLimits, { quietMs: 200, roundMs: 50 }, async () => {
      const host = await openHost({
        engine: working.engine,
        lanesMost: 10,
        open: one =>
          opened++ === 0
            ? hanging
            : working.engine.openLane(one, laneOptions({ handle: async job => void taken.push(job.id) })),
        isDone: async one => (await working.engine.countUndecided(one)) === 0,
        onError: error => expect.unreachable(error.message),
      });
      try {
        await adding.engine.roster.want(lane, 'label');
        await adding.engine.add(lane, { id: 'waits', name: 'c', data: 1 });
        await expect.poll(() => taken, { timeout: 10_000 }).toEqual(['waits']);
        await expect.poll(() => host.lanes, { timeout: 10_000 }).toEqual([]);
      } finally {
        await host.close();
        await emptyRoster(world());
      }
    });
  });

  test('lanes are kept and opened while it is not known whether others are done', async ({ expect }) => {
    const { adding, working } = world();
    const [unknown, slow, other] = [newLane(), newLane(), newLane()];
    const door = holding();
    const errors: Error[] = [];
    await withLimits(hostLimits, { quietMs: 200, roundMs: 50, leaseMs: 500 }, async () => {
      const host = await openHost({
        engine: working.engine,
        lanesMost: 10,
        open: () => ({ close: async () => {}, lastBusyMs: performance.now() }),
        async isDone(lane) {
          if (lane === unknown) throw new Error('Postgres is away');
          await door.wait();
          return false;
        },
        onError: error => void errors.push(error),
      });
      try {
        await adding.engine.roster.want(unknown, 'label');
        await expect.poll(() => errors.length, { timeout: 5000 }).toBeGreaterThan(0);
        await adding.engine.roster.want(slow, 'label');
        await expect.poll(() => door.waiting, { timeout: 5000 }).toBe(1);
        const since = host.lastRoundMs;
        await expect
          .poll(() => host.lastRoundMs, { timeout: 5000 })
          .toBeGreaterThan(since + hostLimits.leaseMs);
        await adding.engine.roster.want(other, 'label');
        await expect.poll(() => host.lanes.length, { timeout: 5000 }).toBe(3);
        expect(new Set(errors.map(error => error.message))).toEqual(new Set(['Postgres is away']));
      } finally {
        door.release();
        await host.close();
        await emptyRoster(world());
      }
    });
  });
}
