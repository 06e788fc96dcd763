import { queueLimits } from '@claimline/queue/engine';
import { describeOnEngine, withLimits } from '@claimline/queue/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { laneOf } from './lane-name.ts';
import { type House, openHouse } from './testing-house.ts';
import { insertCoupon, people, readCouponRow } from './testing-settle.ts';
import type { Boarded } from './train.ts';

/** Wait before the first retry of a job, where the real one would make the test take 8 s. */
const retryBaseMs = 10;

for (const kind of ['redis', 'postgres'] as const)
  describeOnEngine(kind, () => {
    let house: House;
    beforeAll(async () => {
      house = await openHouse(kind);
      // What no settle can write: an error that does not go away by itself.
      await house.sql`
        create function refuse_poison() returns trigger language plpgsql as $$
        begin raise exception 'a poisonous claim'; end $$`;
      await house.sql`
        create trigger poison before insert on claims for each row
        when (new.user_id like 'poison%') execute function refuse_poison()`;
      // A batch that is too much for one statement, whatever the time is.
      await house.sql`
        create function refuse_many() returns trigger language plpgsql as $$
        begin
          if (select count(*) from added where user_id like 'slow%') > 2 then
            raise exception 'it took too long' using errcode = '57014';
          end if;
          return null;
        end $$`;
      await house.sql`
        create trigger slow after insert on claims referencing new table as added for each statement
        execute function refuse_many()`;
      await house.startWork();
    });
    afterAll(() => house.close());

    const ticketOf = (boarded: Boarded | undefined) => (boarded?.kind === 'queued' ? boarded.ticket : '');
    /** Boards these people together, in one job that is retried quickly. */
    async function boardTogether(name: string, users: string[]): Promise<string[]> {
      let boarded: Boarded[] = [];
      await withLimits(queueLimits, { retryBaseMs }, async () => {
        boarded = await Promise.all(
          users.map(userId => house.trains.board(name, { userId, metadata: null })),
        );
      });
      return boarded.map(ticketOf);
    }
    const outcomesOf = (tickets: string[]) =>
      Promise.all(tickets.map(async ticket => (await house.outcomeOf(ticket)).outcome));

    test('a poisonous claim fails alone: everybody else in its job gets their outcome', async () => {
      const coupon = await insertCoupon(house.sql, { amount: 10 });
      const tickets = await boardTogether(coupon.name, ['ada', 'poison', 'eve', 'kim']);
      await expect
        .poll(() => outcomesOf(tickets), { timeout: 10_000 })
        .toEqual(['granted', 'failed', 'granted', 'granted']);
      expect(await readCouponRow(house.sql, coupon.name)).toMatchObject({
        remaining_amount: 7,
        granted_count: 3,
      });
      expect((await house.gate.readLine(coupon.id)).inLine).toBe(0);
      expect((await house.claim(coupon.name, 'next')).outcome).toBe('granted'); // The lane goes on.
    });

    test('a batch that takes too long is settled in parts, in line order', async () => {
      const coupon = await insertCoupon(house.sql, { amount: 5 });
      const tickets = await boardTogether(coupon.name, people(7, 'slow'));
      const expected = [...Array(5).fill('granted'), 'sold_out', 'sold_out'];
      await expect.poll(() => outcomesOf(tickets), { timeout: 10_000 }).toEqual(expected);
    });

    test('a dead job that is retried by hand turns a failed ticket into a granted one, everywhere', async () => {
      const coupon = await insertCoupon(house.sql, { amount: 3 });
      const [ada, poison] = (await boardTogether(coupon.name, ['ada', 'poison 2'])) as [string, string];
      await expect.poll(() => outcomesOf([ada, poison]), { timeout: 10_000 }).toEqual(['granted', 'failed']);

      await house.sql`alter table claims disable trigger poison`;
      const queue = house.engine.queue(laneOf(coupon.id));
      await expect.poll(() => queue.getFailedCount()).toBe(1);
      const [job] = await queue.getFailed();
      await job?.retry('failed');
      await house.engine.roster.want(laneOf(coupon.id), coupon.name);
      await expect.poll(() => outcomesOf([ada, poison]), { timeout: 10_000 }).toEqual(['granted', 'granted']);
      await house.sql`alter table claims enable trigger poison`;

      // Who reads it from the tables is told the same.
      await house.sql`update coupons set metadata = '{}' where id = ${coupon.id}`;
      await house.changes.barrier();
      expect(house.outcomes.get(poison)).toBeUndefined();
      expect(await outcomesOf([ada, poison])).toEqual(['granted', 'granted']);
      expect(await house.claim(coupon.name, 'poison 2')).toEqual({
        outcome: 'already_claimed',
        ticket: poison,
      });
      expect(await readCouponRow(house.sql, coupon.name)).toMatchObject({
        remaining_amount: 1,
        granted_count: 2,
      });
    });

    test('a job that is no claim job, or of another coupon, is given up and holds nobody up', async () => {
      const coupon = await insertCoupon(house.sql, {});
      const other = await insertCoupon(house.sql, {});
      const lane = laneOf(coupon.id);
      const claims = [['tkt_foreign', 'ada', 1]];
      const wrong: unknown[] = [
        null,
        'text',
        {},
        { coupon: coupon.id, name: coupon.name, claims: [] },
        { coupon: coupon.id, name: coupon.name, claims: [['only a ticket']] },
        { coupon: coupon.id, name: coupon.name, claims: [[1, 2, 'three']] },
        { coupon: other.id, name: other.name, claims },
      ];
      for (const [i, data] of wrong.entries())
        await house.engine.add(lane, { id: `wrong.${i}`, name: 'x', data });
      await house.engine.roster.want(lane, coupon.name);
      await expect
        .poll(() => house.engine.queue(lane).getFailedCount(), { timeout: 5000 })
        .toBe(wrong.length);
      expect((await house.claim(coupon.name, 'ada')).outcome).toBe('granted');
      const [row] = await house.sql`select count(*) as n from refusals where ticket = 'tkt_foreign'`;
      expect(row?.n).toBe(0);
    });

    test('a job that runs twice changes nothing', async () => {
      const coupon = await insertCoupon(house.sql, { amount: 2 });
      const tickets = await boardTogether(coupon.name, people(3));
      await expect
        .poll(() => outcomesOf(tickets), { timeout: 5000 })
        .toEqual(['granted', 'granted', 'sold_out']);
      const queue = house.engine.queue(laneOf(coupon.id));
      await expect.poll(() => queue.getCompletedCount()).toBe(1);
      const [job] = await queue.getCompleted();
      await house.engine.add(laneOf(coupon.id), { id: 'the.same.again', name: 'x', data: job?.data });
      await expect.poll(() => queue.getCompletedCount()).toBe(2);
      expect(await outcomesOf(tickets)).toEqual(['granted', 'granted', 'sold_out']);
      expect(await readCouponRow(house.sql, coupon.name)).toMatchObject({
        remaining_amount: 0,
        granted_count: 2,
      });
      expect(await house.gate.readLine(coupon.id)).toMatchObject({ inLine: 0, done: 3 });
    });
  });
