import { pause } from '@claimline/kernel/backoff';
import { describeOnEngine, withLimits } from '@claimline/queue/testing';
import { afterEach, expect, test } from 'vitest';
import { createGate } from './create-gate.ts';
import { type Gate, gateLimits } from './gate.ts';
import { laneLimits } from './lane.ts';
import { laneOf } from './lane-name.ts';
import { findLostPlaces, isLineDone, mendLine } from './mend-line.ts';
import { type House, openHouse } from './testing-house.ts';
import { insertCoupon, readCouponRow } from './testing-settle.ts';

// Nobody keeps a place in line that leads nowhere.
for (const kind of ['redis', 'postgres'] as const)
  describeOnEngine(kind, () => {
    let house: House | undefined;
    afterEach(async () => {
      await house?.close();
      house = undefined;
    });
    const open = async (wrapGate?: (gate: Gate, side: 'accepting' | 'working') => Gate) => {
      house = await openHouse(kind, wrapGate);
      return house;
    };
    const wish = (userId: string) => ({ userId, metadata: null });
    const board = async ({ trains }: Pick<House, 'trains'>, name: string, userId: string) => {
      const boarded = await trains.board(name, wish(userId));
      if (boarded.kind !== 'queued') throw new Error(`${userId} was not queued: ${JSON.stringify(boarded)}`);
      return boarded;
    };
    const setStatus = async ({ sql, changes }: House, id: string, status: string) => {
      await sql`update coupons set status = ${status} where id = ${id}`;
      await changes.barrier(); // Every part of the house has heard of it.
    };

    /** An API process that dies between the gate and the queue, after letting this person in. */
    const leavePlace = (opened: House, name: string, userId: string) =>
      board(opened.openDoor({ engine: { ...opened.engine, add: async () => {} } }), name, userId);

    test('an admission whose job never came gets one, and its ticket an outcome', async () => {
      const opened = await open();
      const coupon = await insertCoupon(opened.sql, {});
      const orphan = await leavePlace(opened, coupon.name, 'ada');
      expect((await board(opened, coupon.name, 'ada')).ticket).toBe(orphan.ticket);
      expect((await opened.outcomeOf(orphan.ticket)).outcome).toBe('queued');

      // While it may still be on its way it stays as it is, and the lane with it.
      expect(await isLineDone(opened, coupon.id)).toBe(false);
      expect(await opened.engine.countUndecided(laneOf(coupon.id))).toBe(0);
      await withLimits(gateLimits, { orphanMs: 0 }, async () => {
        expect(await isLineDone(opened, coupon.id)).toBe(false);
        expect(await mendLine(opened, coupon.id)).toEqual({ added: 0, takenOut: 0 });
      });
      await opened.startWork();
      await expect.poll(() => opened.outcomeOf(orphan.ticket)).toMatchObject({ outcome: 'granted' });
      expect((await opened.claim(coupon.name, 'ada')).outcome).toBe('already_claimed');
      await expect.poll(() => isLineDone(opened, coupon.id)).toBe(true);
    });

    test('a place that gets a job again is before those who came later', async () => {
      const opened = await open();
      const coupon = await insertCoupon(opened.sql, {});
      const { ticket } = await leavePlace(opened, coupon.name, 'ada');
      // More than are settled together, which is done in line order anyway.
      for (let i = 0; i < 2 * laneLimits.inHand; i++) await board(opened, coupon.name, `later-${i}`);
      await withLimits(gateLimits, { orphanMs: 0 }, async () => {
        expect(await mendLine(opened, coupon.id)).toEqual({ added: 1, takenOut: 0 });
      });
      await opened.startWork();
      await expect.poll(() => opened.outcomeOf(ticket)).toMatchObject({ outcome: 'granted', sequence: 1 });
    });

    test('in a sale that never pauses a lost place gets its outcome too', { timeout: 60_000 }, async () => {
      const opened = await open();
      const coupon = await insertCoupon(opened.sql, { amount: 100_000 });
      await opened.startWork();
      const orphan = await leavePlace(opened, coupon.name, 'ada');
      let isOver = false;
      let claims = 0;
      async function claimOn(who: number) {
        while (!isOver) {
          expect((await opened.claim(coupon.name, `person ${who} ${claims++}`)).outcome).toBe('granted');
        }
      }
      const crowd = Promise.all([1, 2, 3, 4].map(claimOn));
      await withLimits(gateLimits, { orphanMs: 200 }, async () => {
        await expect
          .poll(async () => (await mendLine(opened, coupon.id)).added, { timeout: 20_000, interval: 50 })
          .toBe(1);
      });
      await expect.poll(() => opened.outcomeOf(orphan.ticket)).toMatchObject({ outcome: 'granted' });
      isOver = true;
      await crowd;
      expect(await readCouponRow(opened.sql, coupon.name)).toMatchObject({
        granted_count: claims + 1,
        claimed_count: claims + 1,
        remaining_amount: 100_000 - claims - 1,
      });
      expect(opened.errors).toEqual([]);
    });

    test('a place behind the head of a long queue is left alone, one before it is mended', async () => {
      const opened = await open();
      const coupon = await insertCoupon(opened.sql, {});
      const before = await leavePlace(opened, coupon.name, 'before');
      const waiting = await board(opened, coupon.name, 'waiting');
      const behind = await leavePlace(opened, coupon.name, 'behind');
      await withLimits(gateLimits, { orphanMs: 0 }, async () => {
        const { jobless, decided } = await findLostPlaces(opened, coupon.id);
        expect(decided).toEqual([]);
        // A gate of this process alone has numbers of its own: nothing is before or behind.
        const lost = opened.gate.isShared ? [before] : [before, behind];
        expect(jobless.map(one => one.ticket)).toEqual(lost.map(one => one.ticket));
        await mendLine(opened, coupon.id);
        await opened.startWork();
        await expect.poll(() => opened.outcomeOf(waiting.ticket)).toMatchObject({ outcome: 'granted' });
        await expect
          .poll(async () => {
            await mendLine(opened, coupon.id);
            return opened.outcomeOf(behind.ticket);
          })
          .toMatchObject({ outcome: 'granted' });
      });
    });

    test('a decided ticket that its gate did not hear of leaves the line', async () => {
      const opened = await open(gate => ({ ...gate, settled: async () => {} }));
      const coupon = await insertCoupon(opened.sql, {});
      await opened.startWork();
      const { ticket } = await board(opened, coupon.name, 'ada');
      const decided = () => opened.sql`select from claims where ticket = ${ticket}`;
      await expect.poll(async () => (await decided()).length).toBe(1);
      expect((await opened.gate.readLine(coupon.id)).inLine).toBe(1);
      await withLimits(gateLimits, { orphanMs: 0 }, async () => {
        expect(await mendLine(opened, coupon.id)).toEqual({ added: 0, takenOut: 1 });
      });
      expect((await opened.gate.readLine(coupon.id)).inLine).toBe(0);
      expect(await opened.outcomeOf(ticket)).toMatchObject({ outcome: 'granted' });
    });

    test.runIf(kind === 'redis')(
      'a place that could be neither filled nor given back in an outage is filled after it',
      async () => {
        const opened = await open();
        const coupon = await insertCoupon(opened.sql, {});
        let isAway = true;
        const unlessAway = <T>(work: () => Promise<T>) =>
          isAway ? Promise.reject(new Error('away')) : work();
        const door = opened.openDoor({
          engine: { ...opened.engine, add: (...args) => unlessAway(() => opened.engine.add(...args)) },
          gate: { ...opened.gate, giveBack: (...args) => unlessAway(() => opened.gate.giveBack(...args)) },
        });
        await expect(board(door, coupon.name, 'ada')).rejects.toMatchObject({
          problem: { code: 'unavailable' },
        });
        const { ticket, joined } = await board(door, coupon.name, 'ada');
        expect(joined).toBe(true);
        isAway = false;
        await opened.startWork();
        const outcome = async () => (await opened.outcomeOf(ticket)).outcome;
        await expect.poll(outcome, { timeout: 10_000 }).toBe('granted');
      },
    );

    test('nobody is mended while their job waits', async () => {
      const opened = await open();
      const coupon = await insertCoupon(opened.sql, {});
      const { ticket } = await board(opened, coupon.name, 'ada');
      await withLimits(gateLimits, { orphanMs: 0 }, async () => {
        expect(await isLineDone(opened, coupon.id)).toBe(false);
        expect(await mendLine(opened, coupon.id)).toEqual({ added: 0, takenOut: 0 });
      });
      expect(await opened.reader.read(ticket)).toMatchObject({ userId: 'ada', decided: null, line: 1 });
      expect(await opened.engine.countUndecided(laneOf(coupon.id))).toBe(1);
    });

    test.runIf(kind === 'postgres')(
      'a ticket of another process is found, though the lane was searched a moment before',
      async () => {
        const opened = await open();
        const coupon = await insertCoupon(opened.sql, {});
        const other = opened.openDoor({ gate: createGate(opened.engine) });
        for (const userId of ['ada', 'eve']) {
          const { ticket } = await board(other, coupon.name, userId);
          expect(await opened.reader.read(ticket)).toMatchObject({ userId, decided: null });
        }
      },
    );

    test.runIf(kind === 'postgres')(
      'a line that its gate forgot is put together again from the queue and the tables',
      async () => {
        const opened = await open();
        const coupon = await insertCoupon(opened.sql, {});
        await opened.startWork();
        const held = await opened.claim(coupon.name, 'holder');
        await opened.stopWork();
        const waiting = await board(opened, coupon.name, 'waiter');
        // Another accepting process, whose gate begins with nothing.
        const other = opened.openDoor({ gate: createGate(opened.engine) });
        expect(await other.trains.board(coupon.name, wish('holder'))).toMatchObject({
          reason: 'already_claimed',
          heldTicket: held.ticket,
        });
        expect(await board(other, coupon.name, 'waiter')).toMatchObject({
          joined: true,
          ticket: waiting.ticket,
        });
        expect(await board(other, coupon.name, 'new')).toMatchObject({ joined: false, line: 3 });
      },
    );

    test.runIf(kind === 'postgres')(
      'who is decided while a line is put together keeps no place in it',
      async () => {
        const opened: House = await open(gate => ({
          ...gate,
          // Between the look into the queue and the end of the load the lane goes on.
          async load(coupon, held, inLine) {
            if (inLine.length > 0) {
              await opened.startWork();
              const { ticket } = inLine[0] as { ticket: string };
              await expect.poll(() => opened.outcomes.get(ticket), { timeout: 5000 }).toBeDefined();
            }
            return gate.load(coupon, held, inLine);
          },
        }));
        const coupon = await insertCoupon(opened.sql, {});
        const { ticket } = await board(opened, coupon.name, 'ada');
        // Another limit, so that the gate is loaded again and does not only take the new terms over.
        await opened.sql`update coupons set status = 'paused', per_user_limit = 2 where id = ${coupon.id}`;
        await opened.changes.barrier();
        expect((await opened.claim(coupon.name, 'eve')).outcome).toBe('paused');
        expect((await opened.outcomeOf(ticket)).outcome).toBe('paused');
        expect((await opened.gate.readLine(coupon.id)).inLine).toBe(0);
        await setStatus(opened, coupon.id, 'active');
        expect((await opened.claim(coupon.name, 'ada')).outcome).toBe('granted');
      },
    );

    test('a job that no lane would settle gives nobody a place, and does not spoil the numbers', async () => {
      const opened = await open();
      const coupon = await insertCoupon(opened.sql, {});
      const other = await insertCoupon(opened.sql, {});
      const wrong: unknown[] = [
        null,
        { coupon: other.id, name: other.name, claims: [['tkt_foreign', 'ada', 7]] },
        { coupon: coupon.id, name: coupon.name, claims: [['tkt_malformed', 'eve', 'a number']] },
        { coupon: coupon.id, name: coupon.name, claims: 'none' },
      ];
      for (const [i, data] of wrong.entries())
        await opened.engine.add(laneOf(coupon.id), { id: `wrong.${i}`, name: 'x', data });
      expect(await board(opened, coupon.name, 'ada')).toMatchObject({ joined: false, line: 1 });
      expect(await board(opened, coupon.name, 'eve')).toMatchObject({ joined: false, line: 2 });
    });

    test('who was refused may claim again at once, before the gate has heard of it', async () => {
      let tell = () => {};
      const told = new Promise<void>(resolve => {
        tell = resolve;
      });
      // The worker is slow to tell the gate, or was killed before it could; where the gate is not shared it hears by itself.
      const opened = await open((gate, side) =>
        side === 'accepting'
          ? gate
          : {
              ...gate,
              async settled(news) {
                await told;
                await gate.settled(news);
              },
            },
      );
      const coupon = await insertCoupon(opened.sql, {});
      const { ticket } = await board(opened, coupon.name, 'ada');
      await setStatus(opened, coupon.id, 'paused');
      await opened.startWork();
      await opened.outcomes.wait(ticket, 5000);
      expect((await opened.outcomeOf(ticket)).outcome).toBe('paused');
      await setStatus(opened, coupon.id, 'active');
      // What is said now rests on the coupon as it is now, not on the claim that was refused.
      const again = opened.claim(coupon.name, 'ada');
      await Promise.race([again, pause(500)]);
      tell();
      expect((await again).outcome).toBe('granted');
    });
  });
