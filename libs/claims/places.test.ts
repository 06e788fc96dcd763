import { describeOnEngine, withLimits } from '@claimline/queue/testing';
import { afterEach, expect, test } from 'vitest';
import { type Gate, gateLimits } from './gate.ts';
import { laneOf } from './lane-name.ts';
import { sweepLine } from './sweep.ts';
import { type House, openHouse } from './testing-house.ts';
import { insertCoupon } from './testing-settle.ts';

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
    const setStatus = ({ sql }: House, id: string, status: string) =>
      sql`update coupons set status = ${status} where id = ${id}`;

    test('an admission whose job never came is swept: its ticket is lost, and the person may claim again', async () => {
      const opened = await open();
      const coupon = await insertCoupon(opened.sql, {});
      // The API process dies between the gate and the queue.
      const deaf = opened.openDoor({ engine: { ...opened.engine, add: async () => {} } });
      const orphan = await board(deaf, coupon.name, 'ada');
      expect((await board(opened, coupon.name, 'ada')).ticket).toBe(orphan.ticket);
      expect((await opened.outcomeOf(orphan.ticket)).outcome).toBe('queued');

      // While it may still be on its way it stays.
      expect(await sweepLine(opened, coupon.id)).toBe(false);
      expect((await opened.gate.readLine(coupon.id)).inLine).toBe(1);
      await withLimits(gateLimits, { orphanMs: 0 }, async () => {
        expect(await sweepLine(opened, coupon.id)).toBe(true);
      });
      await expect(opened.reader.read(orphan.ticket)).rejects.toMatchObject({ code: 'ticket_lost' });
      await opened.startWork();
      expect((await opened.claim(coupon.name, 'ada')).outcome).toBe('granted');
    });

    test('nobody is swept while the lane has a job', async () => {
      const opened = await open();
      const coupon = await insertCoupon(opened.sql, {});
      const { ticket } = await board(opened, coupon.name, 'ada');
      await withLimits(gateLimits, { orphanMs: 0 }, async () => {
        expect(await sweepLine(opened, coupon.id)).toBe(false);
      });
      expect(await opened.reader.read(ticket)).toMatchObject({ userId: 'ada', decided: null, line: 1 });
    });

    test('a line whose gate forgot everything is put together again from the queue and the tables', async () => {
      const opened = await open();
      const coupon = await insertCoupon(opened.sql, {});
      await opened.startWork();
      const held = await opened.claim(coupon.name, 'holder');
      await opened.stopWork();
      const waiting = await board(opened, coupon.name, 'waiter');
      // Another accepting process, whose gate begins with nothing; in Redis the keys are deleted.
      const keys = ['coupon', 'queued', 'tickets', 'held:1'].map(
        part => `{${laneOf(coupon.id)}}:gate:${part}`,
      );
      await opened.stores.redis?.command('DEL', ...keys);
      opened.gate.forgetAll();
      expect(await opened.trains.board(coupon.name, wish('holder'))).toMatchObject({
        reason: 'already_claimed',
        heldTicket: held.ticket,
      });
      expect(await board(opened, coupon.name, 'waiter')).toMatchObject({
        joined: true,
        ticket: waiting.ticket,
      });
      expect(await board(opened, coupon.name, 'new')).toMatchObject({ joined: false, line: 3 });
    });

    test('who is decided while a line is put together keeps no place in it', async () => {
      const opened: House = await open((gate, side) => ({
        ...gate,
        // Between the look into the queue and the end of the load the lane goes on.
        async load(coupon, held, inLine) {
          if (side === 'accepting' && inLine.length > 0) {
            await opened.startWork();
            await expect
              .poll(() => opened.engine.countUndecided(laneOf(coupon.id)), { timeout: 5000 })
              .toBe(0);
            await expect
              .poll(async () => opened.outcomes.get(inLine[0]?.ticket ?? ''), { timeout: 5000 })
              .toBeDefined();
          }
          return gate.load(coupon, held, inLine);
        },
      }));
      const coupon = await insertCoupon(opened.sql, {});
      const { ticket } = await board(opened, coupon.name, 'ada');
      await setStatus(opened, coupon.id, 'paused');
      expect((await opened.claim(coupon.name, 'eve')).outcome).toBe('paused'); // Loads the gate again.
      expect((await opened.outcomeOf(ticket)).outcome).toBe('paused');
      expect((await opened.gate.readLine(coupon.id)).inLine).toBe(0);
      await setStatus(opened, coupon.id, 'active');
      expect((await opened.claim(coupon.name, 'ada')).outcome).toBe('granted');
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
      const again = await board(opened, coupon.name, 'ada');
      tell();
      expect(again).toMatchObject({ joined: false });
      await opened.outcomes.wait(again.ticket, 5000);
      expect((await opened.outcomeOf(again.ticket)).outcome).toBe('granted');
    });
  });
