import { describeOnEngine } from '@claimline/queue/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { JobData } from './job.ts';
import { laneOf } from './lane-name.ts';
import { type House, openHouse } from './testing-house.ts';
import { insertCoupon } from './testing-settle.ts';
import type { Boarded } from './train.ts';

const waitMs = 15_000;

// A request that is run again after its process died claims with the ticket of the run before.
for (const kind of ['redis', 'postgres'] as const)
  describeOnEngine(kind, () => {
    let house: House;
    beforeAll(async () => {
      house = await openHouse(kind);
    });
    afterAll(() => house.close());

    async function setUp(fields: { amount?: number; per_user_limit?: number } = {}) {
      await house.stopWork();
      const coupon = await insertCoupon(house.sql, fields);
      const ticket = house.tickets.issue(coupon.id, Date.now(), 1)[0] as string;
      const wish = (run: number) => ({ userId: 'ada', metadata: null, fixed: { ticket, run } });
      return { coupon, ticket, wish };
    }
    const { signal } = new AbortController();
    const claim = (name: string, wish: Parameters<House['verb']['claim']>[1]) =>
      house.verb.claimAndWait(name, wish, waitMs, signal);
    const granted = async (couponId: string) =>
      (await house.sql`select user_id, ticket from claims join coupons on name = coupon_name
        where coupons.id = ${couponId} order by sequence`) as unknown as {
        user_id: string;
        ticket: string;
      }[];

    test('a place whose job was never added gets one', async () => {
      const { coupon, ticket, wish } = await setUp();
      const deaf = house.openDoor({ engine: { ...house.engine, add: async () => {} } });
      await deaf.verb.claim(coupon.name, wish(1));
      await house.startWork();
      expect(await claim(coupon.name, wish(2))).toMatchObject({ kind: 'queued', ticket, joined: false });
      expect((await house.outcomeOf(ticket)).outcome).toBe('granted');
      expect(await granted(coupon.id)).toEqual([{ user_id: 'ada', ticket }]);
    });

    test('its job being there already, nobody who travels with it is lost', async () => {
      const { coupon, ticket, wish } = await setUp();
      await house.verb.claim(coupon.name, wish(1));
      // Another process, where the gate is not shared, knows of no place and admits the ticket again.
      const other = house.openDoor();
      const again = [other.verb.claim(coupon.name, wish(2))];
      for (const userId of ['eve', 'kay'])
        again.push(other.verb.claim(coupon.name, { userId, metadata: null }));
      const boarded = (await Promise.all(again)) as (Boarded & { kind: 'queued' })[];
      const { jobs } = await house.engine.listUndecided(laneOf(coupon.id), 10);
      expect((jobs as JobData[]).map(job => job.claims.map(([of]) => of))).toEqual([
        [ticket],
        boarded.map(one => one.ticket),
      ]);
      await house.startWork();
      for (const one of boarded) await house.verb.waitFor(one.ticket, performance.now() + waitMs, signal);
      expect((await granted(coupon.id)).map(row => row.user_id)).toEqual(['ada', 'eve', 'kay']);
    });

    test('a claim that is granted by then is its own, also when all is gone and more was allowed', async () => {
      const { coupon, ticket, wish } = await setUp({ amount: 1, per_user_limit: 2 });
      await house.startWork();
      await claim(coupon.name, wish(1));
      expect(await granted(coupon.id)).toEqual([{ user_id: 'ada', ticket }]);
      expect(await claim(coupon.name, wish(2))).toMatchObject({ kind: 'queued', ticket, joined: false });
      expect((await house.outcomeOf(ticket)).outcome).toBe('granted');
      // Another claim of hers is another matter.
      expect(await house.claim(coupon.name, 'ada')).toMatchObject({ outcome: 'sold_out' });
    });

    test('a claim that somebody else made for the person is not its own', async () => {
      const { coupon, wish } = await setUp();
      await house.startWork();
      const held = await house.claim(coupon.name, 'ada');
      expect(await claim(coupon.name, wish(2))).toMatchObject({
        kind: 'refused',
        reason: 'already_claimed',
        heldTicket: held.ticket,
      });
      expect(await granted(coupon.id)).toEqual([{ user_id: 'ada', ticket: held.ticket }]);
    });

    test('a ticket of a coupon that was replaced is not used for the new one', async () => {
      const { coupon, ticket, wish } = await setUp();
      await house.sql`delete from coupons where id = ${coupon.id}`;
      const next = await insertCoupon(house.sql, { name: coupon.name });
      await house.startWork();
      const boarded = (await claim(coupon.name, wish(2))) as Boarded & { kind: 'queued' };
      expect(boarded.ticket).not.toBe(ticket);
      expect(await granted(next.id)).toEqual([{ user_id: 'ada', ticket: boarded.ticket }]);
    });
  });
