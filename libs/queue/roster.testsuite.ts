import { pause } from '@claimline/kernel/backoff';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { emptyRoster, newLane, type World } from './testing-lanes.ts';

const longMs = 60_000;
/** A lease that a test lets run out. */
const leaseMs = 20;

/** What every roster must do. */
export function rosterSuite(world: () => World): void {
  describe('the roster', () => {
    const asked = () => world().adding.engine.roster;
    const worked = () => world().working.engine.roster;
    beforeEach(() => emptyRoster(world()));
    afterAll(() => emptyRoster(world()));

    test('gives a wanted lane out once, and not before it is wanted', async () => {
      const lane = newLane();
      expect(await worked().take('a', longMs, 10)).toEqual([]);
      await asked().want(lane, 'label');
      await asked().want(lane, 'label');
      expect(await worked().take('a', longMs, 10)).toEqual([lane]);
      expect(await worked().take('b', longMs, 10)).toEqual([]);
      await asked().want(lane, 'label');
      expect(await asked().take('b', longMs, 10)).toEqual([]);
    });

    test('never gives more than there is room for, those that wait longest first', async () => {
      const lanes = Array.from({ length: 7 }, () => newLane());
      for (const lane of lanes) {
        await asked().want(lane, 'label');
        await nextMs();
      }
      const first = await worked().take('a', longMs, 3);
      expect(first.sort()).toEqual(lanes.slice(0, 3).sort());
      expect(await worked().take('a', longMs, 0)).toEqual([]);
      expect((await worked().take('b', longMs, 100)).sort()).toEqual(lanes.slice(3).sort());
    });

    test('counts the room of each kind by itself', async () => {
      const [claims, webhooks] = [newLane(), Array.from({ length: 3 }, () => newLane('webhooks'))];
      for (const lane of [...webhooks, claims]) {
        await asked().want(lane, 'label');
        await nextMs();
      }
      const taken = await worked().take('a', longMs, 2);
      expect(taken.sort()).toEqual([claims, ...webhooks.slice(0, 2)].sort());
      expect(await worked().take('a', longMs, 2, new Map([['webhooks', 2]]))).toEqual([]);
      expect(await worked().take('b', longMs, 2, new Map([['claims', 2]]))).toEqual(webhooks.slice(2));
    });

    test('gives each lane to one owner and no owner too much, however many take at once', async () => {
      const lanes = Array.from({ length: 40 }, () => newLane());
      await Promise.all(lanes.map(lane => asked().want(lane, 'label')));
      const taken = await Promise.all(
        Array.from({ length: 100 }, (_, i) => (i % 2 ? worked() : asked()).take(`owner ${i}`, longMs, 1)),
      );
      for (const lanesOfOne of taken) expect(lanesOfOne.length).toBeLessThanOrEqual(1);
      const given = taken.flat();
      expect(new Set(given).size).toBe(given.length);
      // Who found a lane locked by another may leave with nothing; nothing is lost by that.
      const rest = await worked().take('last', longMs, 100);
      expect([...given, ...rest].sort()).toEqual([...lanes].sort());
    });

    test('a lease runs out, unless it is renewed', async () => {
      const [kept, lost] = [newLane(), newLane()];
      await asked().want(kept, 'label');
      await asked().want(lost, 'label');
      expect((await worked().take('a', longMs, 10)).sort()).toEqual([kept, lost].sort());
      expect(await asked().take('b', longMs, 10)).toEqual([]);
      expect(await worked().renew('a', leaseMs, [kept, lost])).toEqual([]);
      expect(await worked().renew('a', longMs, [kept])).toEqual([]);
      await expect.poll(() => asked().take('b', longMs, 10), { timeout: 5000 }).toEqual([lost]);
      // The first owner learns that it lost the lane, and has the other one still.
      const never = newLane();
      expect((await worked().renew('a', longMs, [kept, lost, never])).sort()).toEqual([lost, never].sort());
      expect(await worked().renew('b', longMs, [lost])).toEqual([]);
    });

    test('a lease that ran out can be renewed while nobody else took the lane', async () => {
      const lane = newLane();
      await asked().want(lane, 'label');
      expect(await worked().take('a', leaseMs, 10)).toEqual([lane]);
      await pause(2 * leaseMs);
      expect(await worked().renew('a', longMs, [lane])).toEqual([]);
      expect(await asked().take('b', longMs, 10)).toEqual([]);
    });

    test('a lane is not left while somebody wanted it within the quiet time', async () => {
      const lane = newLane();
      await asked().want(lane, 'label');
      await worked().take('a', longMs, 10);
      expect(await worked().leave('a', lane, longMs)).toBe(false);
      expect(await worked().renew('a', longMs, [lane])).toEqual([]);
      expect(await worked().leave('a', lane, 0)).toBe(true);
      expect(await worked().renew('a', longMs, [lane])).toEqual([lane]);
      expect(await asked().take('b', longMs, 10)).toEqual([]);
      await asked().want(lane, 'label');
      expect(await asked().take('b', longMs, 10)).toEqual([lane]);
    });

    test('who does not have a lane cannot leave it, and is told so', async () => {
      const lane = newLane();
      await asked().want(lane, 'label');
      expect(await worked().take('b', longMs, 10)).toEqual([lane]);
      expect(await worked().leave('a', lane, 0)).toBe(true);
      await worked().handOver('a', [lane]);
      expect(await worked().renew('b', longMs, [lane])).toEqual([]);
      expect(await worked().leave('a', newLane(), 0)).toBe(true);
    });

    test('a lane that nobody has, as after the store was emptied, is not kept by who had it', async () => {
      const lane = newLane();
      await asked().want(lane, 'label');
      expect(await worked().leave('a', lane, longMs)).toBe(true);
      expect(await worked().take('b', longMs, 10)).toEqual([lane]);
    });

    test('lanes that are handed over are free at once, still wanted', async () => {
      const lanes = [newLane(), newLane()];
      for (const lane of lanes) await asked().want(lane, 'label');
      await worked().take('a', longMs, 10);
      await worked().handOver('a', []);
      expect(await asked().take('b', longMs, 10)).toEqual([]);
      await worked().handOver('a', lanes);
      expect((await asked().take('b', longMs, 10)).sort()).toEqual([...lanes].sort());
      expect((await worked().renew('a', longMs, lanes)).sort()).toEqual([...lanes].sort());
    });

    test('wakes those who listen when a lane is wanted that nobody has, or is handed over', async () => {
      const woken = { working: 0, adding: 0 };
      const [taken, other] = [newLane(), newLane()];
      // Those of other tests may still be on their way, between the nodes of a cluster. Postgres names none.
      const isOurs = (lane?: string) => !lane || lane === taken || lane === other;
      await worked().onWanted(lane => void (isOurs(lane) && woken.working++));
      await asked().onWanted(lane => void (isOurs(lane) && woken.adding++));
      await asked().want(taken, 'label');
      await expect.poll(() => woken, { timeout: 5000 }).toEqual({ working: 1, adding: 1 });
      await worked().take('a', longMs, 10);
      await asked().want(taken, 'label'); // Somebody has it open: nobody is woken.
      await asked().want(other, 'label');
      await expect.poll(() => woken, { timeout: 5000 }).toEqual({ working: 2, adding: 2 });
      await worked().handOver('a', [taken]);
      await expect.poll(() => woken, { timeout: 5000 }).toEqual({ working: 3, adding: 3 });
    });

    test('wakes for a lane whose owner let its lease run out', async () => {
      let woken = 0;
      const lane = newLane();
      await worked().onWanted(wanted => void ((!wanted || wanted === lane) && woken++));
      await asked().want(lane, 'label');
      await expect.poll(() => woken, { timeout: 5000 }).toBe(1);
      await worked().take('a', leaseMs, 10);
      await pause(2 * leaseMs);
      await asked().want(lane, 'label');
      await expect.poll(() => woken, { timeout: 5000 }).toBe(2);
    });

    test('lists the lanes wanted lately, newest first, with their labels and whether they are open and wanted', async () => {
      const [closed, open, left] = [newLane(), newLane(), newLane()];
      const label = 'a "name" with ☂, \n and %';
      for (const lane of [left, open, closed]) {
        await asked().want(lane, `label of ${lane}`);
        await nextMs();
        if (lane !== closed) await worked().take('a', longMs, 10);
      }
      await worked().leave('a', left, 0);
      await asked().want(closed, label);
      expect(await asked().list(3)).toEqual([
        { lane: closed, label, open: false, wanted: true },
        { lane: open, label: `label of ${open}`, open: true, wanted: true },
        { lane: left, label: `label of ${left}`, open: false, wanted: false },
      ]);
      const stranger = newLane();
      expect(await asked().look([stranger, open])).toEqual([
        { lane: stranger, label: stranger, open: false, wanted: false },
        { lane: open, label: `label of ${open}`, open: true, wanted: true },
      ]);
      expect(await asked().look([])).toEqual([]);
      expect((await asked().list(1)).map(one => one.lane)).toEqual([closed]);
    });

    test('does not list a lane as open whose lease ran out', async () => {
      const lane = newLane();
      await asked().want(lane, 'label');
      await worked().take('a', leaseMs, 10);
      await pause(2 * leaseMs);
      expect(await asked().list(1)).toEqual([{ lane, label: 'label', open: false, wanted: true }]);
    });
  });
}

/** Lanes are ordered by the millisecond in which they were wanted. */
async function nextMs(): Promise<void> {
  const before = Date.now();
  while (Date.now() === before) await new Promise(resolve => setImmediate(resolve));
}
