import { AppError } from '@claimline/kernel/error';
import type { Engine } from '@claimline/queue/engine';
import { describeOnEngine } from '@claimline/queue/testing';
import { jobIdOf } from '@claimline/tickets/ticket';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Gate, Holder } from './gate.ts';
import type { JobData } from './job.ts';
import { laneOf } from './lane-name.ts';
import { awkwardUsers } from './testing-gate.ts';
import { type House, openHouse } from './testing-house.ts';
import { insertCoupon, people } from './testing-settle.ts';
import { type Boarded, trainLimits } from './train.ts';

for (const kind of ['redis', 'postgres'] as const)
  describeOnEngine(kind, () => {
    let house: House;
    beforeAll(async () => {
      house = await openHouse(kind);
    });
    afterAll(() => house.close());

    const wish = (userId: string) => ({ userId, metadata: null });
    /** Boards these people at once and answers with their tickets. */
    async function boardAll(
      name: string,
      users: string[],
      { trains }: Pick<House, 'trains'> = house,
    ): Promise<Boarded[]> {
      return Promise.all(users.map(userId => trains.board(name, wish(userId))));
    }
    const ticketOf = (boarded: Boarded | undefined) => (boarded?.kind === 'queued' ? boarded.ticket : '');
    const jobsOf = async (couponId: string) =>
      (await house.engine.listUndecided(laneOf(couponId), 1000)).jobs as JobData[];

    test('people who arrive together travel in one job, in the order of their arrival', async () => {
      const coupon = await insertCoupon(house.sql, {});
      const users = people(40);
      const boarded = await boardAll(coupon.name, users);
      const jobs = await jobsOf(coupon.id);
      expect(jobs).toHaveLength(1);
      expect(jobs[0]).toMatchObject({ coupon: coupon.id, name: coupon.name });
      expect(jobs[0]?.claims).toEqual(users.map((userId, i) => [ticketOf(boarded[i]), userId, i + 1]));
      const job = await house.engine
        .queue(laneOf(coupon.id))
        .getJob(jobIdOf(users[0] as string, ticketOf(boarded[0])));
      expect(job?.data).toEqual(jobs[0]);
    });

    test('a person who arrives twice, together or later, has one place and one ticket', async () => {
      const coupon = await insertCoupon(house.sql, {});
      const boarded = await boardAll(coupon.name, ['ada', 'eve', 'ada', 'ada']);
      const later = await house.trains.board(coupon.name, wish('ada'));
      expect(new Set([0, 2, 3].map(i => ticketOf(boarded[i])))).toEqual(new Set([ticketOf(boarded[0])]));
      expect(later).toMatchObject({ kind: 'queued', joined: true, ticket: ticketOf(boarded[0]) });
      expect((await jobsOf(coupon.id)).flatMap(job => job.claims)).toHaveLength(2);
    });

    test('more than a train holds travel in several, and everybody gets an outcome', {
      timeout: 30_000,
    }, async () => {
      const coupon = await insertCoupon(house.sql, { amount: 700 });
      const users = people(1200);
      await house.startWork();
      const answers = await Promise.all(users.map(userId => house.claim(coupon.name, userId)));
      await house.stopWork();
      const granted = answers.filter(answer => answer.outcome === 'granted');
      expect(granted.map(answer => answer.sequence).sort((a = 0, b = 0) => a - b)).toEqual(
        Array.from({ length: 700 }, (_, i) => i + 1),
      );
      expect(answers.filter(answer => answer.outcome === 'sold_out')).toHaveLength(500);
      // Line order is the order of grants.
      expect(answers.slice(0, 700).map(answer => answer.outcome)).toEqual(Array(700).fill('granted'));
    });

    test('people who bring much along travel in jobs that are not large, and nobody is lost', async () => {
      const coupon = await insertCoupon(house.sql, {});
      const metadata = JSON.stringify({ note: 'x'.repeat(4000) });
      const users = people(500);
      const boarded = await Promise.all(
        users.map(userId => house.trains.board(coupon.name, { userId, metadata })),
      );
      const jobs = await jobsOf(coupon.id);
      const claims = jobs.flatMap(job => job.claims).sort((a, b) => a[2] - b[2]);
      expect(claims).toEqual(users.map((userId, i) => [ticketOf(boarded[i]), userId, i + 1, metadata]));
      for (const job of jobs)
        expect(job.claims.length * metadata.length).toBeLessThanOrEqual(trainLimits.luggageMost);
    });

    test('people of every name get through the queue and back', async () => {
      const coupon = await insertCoupon(house.sql, { name: `"quoted" ☂ \n 'name' ${kind} 🎟` });
      await house.startWork();
      const together = await Promise.all(awkwardUsers.map(userId => house.claim(coupon.name, userId)));
      expect(together.map(answer => answer.outcome)).toEqual(awkwardUsers.map(() => 'granted'));
      // One by one each is the first of a train, whose id is made from theirs.
      const other = await insertCoupon(house.sql, {});
      for (const userId of awkwardUsers)
        expect([userId, (await house.claim(other.name, userId)).outcome]).toEqual([userId, 'granted']);
      await house.stopWork();
    });

    test('nobody is lost on a train whose first person has an earlier job that is still kept', async () => {
      const coupon = await insertCoupon(house.sql, { amount: 3 });
      await house.sql`update coupons set per_user_limit = 2 where id = ${coupon.id}`;
      await house.startWork();
      expect((await house.claim(coupon.name, 'ada')).outcome).toBe('granted');
      await expect.poll(() => house.engine.queue(laneOf(coupon.id)).getCompletedCount()).toBe(1);
      const answers = await Promise.all(
        ['ada', 'eve', 'kim'].map(userId => house.claim(coupon.name, userId)),
      );
      expect(answers.map(answer => answer.outcome)).toEqual(['granted', 'granted', 'sold_out']);
      await expect.poll(() => house.engine.queue(laneOf(coupon.id)).getCompletedCount()).toBe(2);
      await house.stopWork();
    });

    test('a train that is added twice is one train', async () => {
      const coupon = await insertCoupon(house.sql, { amount: 10 });
      const twice: Engine = {
        ...house.engine,
        async add(lane, job) {
          await house.engine.add(lane, job);
          await house.engine.add(lane, job);
        },
      };
      const boarded = await boardAll(coupon.name, people(3), house.openDoor({ engine: twice }));
      expect(await jobsOf(coupon.id)).toHaveLength(1);
      await house.startWork();
      await expect
        .poll(() => Promise.all(boarded.map(one => house.outcomeOf(ticketOf(one)))), { timeout: 5000 })
        .toMatchObject([{ outcome: 'granted' }, { outcome: 'granted' }, { outcome: 'granted' }]);
      await house.stopWork();
      const [row] = await house.sql`select remaining_amount from coupons where id = ${coupon.id}`;
      expect(row?.remaining_amount).toBe(7);
    });

    const broken = {
      'the queue does not take the job': (engine: Engine): Engine => ({
        ...engine,
        add: () => Promise.reject(new Error('the queue is away')),
      }),
      'the lane cannot be asked for': (engine: Engine): Engine => ({
        ...engine,
        roster: { ...engine.roster, want: () => Promise.reject(new Error('the roster is away')) },
      }),
    };
    test.each(Object.entries(broken))(
      'when %s nobody keeps a place, and the next claim is a new one',
      async (_, breakIt) => {
        const coupon = await insertCoupon(house.sql, {});
        const [waiting] = await boardAll(coupon.name, ['waiter']);
        // An accepting process of its own beside the first, through the same gate.
        const door = house.openDoor({ engine: breakIt(house.engine) });
        const failed = await Promise.allSettled(
          ['ada', 'eve', 'ada', 'waiter'].map(userId => door.trains.board(coupon.name, wish(userId))),
        );
        for (const one of failed) {
          const error = one.status === 'rejected' ? one.reason : undefined;
          expect(error).toBeInstanceOf(AppError);
          expect(error).toMatchObject({ problem: { code: 'unavailable', retryAfterSeconds: 1 } });
        }
        expect((await house.gate.readLine(coupon.id)).inLine).toBe(1);
        const again = await boardAll(coupon.name, ['ada', 'waiter']);
        expect(again).toMatchObject([{ joined: false }, { joined: true, ticket: ticketOf(waiting) }]);
        expect((await jobsOf(coupon.id)).flatMap(job => job.claims.map(claim => claim[1])).sort()).toEqual([
          'ada',
          'waiter',
        ]);
      },
    );

    test('when a coupon has changed and cannot be read, nobody is refused by what was known, and a place is kept', async () => {
      const coupon = await insertCoupon(house.sql, {});
      await house.startWork();
      expect((await house.claim(coupon.name, 'holder')).outcome).toBe('granted');
      await house.stopWork();
      const facts = await house.directory.find(coupon.name);
      let looks = 0;
      // It is known when the train leaves, and Postgres is away when it looks again.
      const away = Object.assign(new Error('away'), { code: 'CONNECTION_CLOSED' });
      const directory = {
        ...house.directory,
        peek: () => undefined,
        find: () => (looks++ === 0 ? Promise.resolve(facts) : Promise.reject(away)),
      };
      const { trains } = house.openDoor({ directory });
      const [refused, admitted] = await Promise.allSettled(
        ['holder', 'ada'].map(userId => trains.board(coupon.name, wish(userId))),
      );
      expect(refused).toMatchObject({ status: 'rejected', reason: { problem: { code: 'unavailable' } } });
      expect(admitted).toMatchObject({ status: 'fulfilled', value: { kind: 'queued', joined: false } });
      const [kept] = await boardAll(coupon.name, ['ada']);
      expect(kept).toMatchObject({ kind: 'queued', joined: true });
    });

    test('a name that nobody knows is refused, until there is such a coupon', async () => {
      const name = `later ${kind}`;
      const unknown = { kind: 'refused', coupon: null, reason: 'coupon_not_found', heldTicket: null };
      expect(await house.trains.board(name, wish('ada'))).toEqual(unknown);
      await insertCoupon(house.sql, { name });
      expect(await house.trains.board(name, wish('ada'))).toMatchObject({ kind: 'queued', joined: false });
    });

    /** A coupon that many people hold, and an accepting process that counts the pages of them it reads. */
    async function openHeld() {
      const coupon = await insertCoupon(house.sql, { amount: 10_000 });
      await house.sql`
        insert into claims (user_id, coupon_name, sequence, ticket)
        select 'holder ' || n, ${coupon.name}, n, ${coupon.id} || n from generate_series(1, 3000) n`;
      await house.sql`
        update coupons set granted_count = 3000, claimed_count = 3000, remaining_amount = 7000 where id = ${coupon.id}`;
      let read = 0;
      async function* counted(held: AsyncIterable<Holder[]>) {
        for await (const page of held) {
          read++;
          yield page;
        }
      }
      const { gate } = house;
      const load: Gate['load'] = (facts, held, inLine) => gate.load(facts, counted(held), inLine);
      const { trains } = house.openDoor({ gate: { ...gate, load } });
      return {
        coupon,
        pagesRead: () => read,
        async claim(userId: string): Promise<string> {
          const boarded = await trains.board(coupon.name, wish(userId));
          return boarded.kind === 'refused' ? boarded.reason : boarded.kind;
        },
      };
    }

    test('only a change of who holds a claim, or of how many one may, reads who does', async () => {
      const { coupon, claim, pagesRead } = await openHeld();
      const { sql } = house;
      expect(await claim('holder 1')).toBe('already_claimed');
      expect(pagesRead()).toBe(2);
      const id = coupon.id;
      const ofTerms = [
        () => sql`update coupons set metadata = '{"a": 1}' where id = ${id}`,
        () => sql`update coupons set starts_at = now(), ends_at = now() + interval '1 hour' where id = ${id}`,
        () => sql`update coupons set amount = 9000, remaining_amount = 6000 where id = ${id}`,
        () => sql`update coupons set status = 'paused' where id = ${id}`,
      ];
      for (const change of ofTerms) {
        await change();
        await house.changes.barrier();
        expect(await claim('holder 1')).toBe('already_claimed');
      }
      expect(await claim('new')).toBe('paused');
      await sql`update coupons set status = 'active' where id = ${id}`;
      await house.changes.barrier();
      expect(await claim('new')).toBe('queued');
      expect(pagesRead()).toBe(2);

      const { name } = coupon;
      const ofClaims: [change: () => Promise<unknown>, userId: string, answer: string][] = [
        [
          () => sql`delete from claims where coupon_name = ${name} and user_id = 'holder 2'`,
          'holder 2',
          'queued',
        ],
        [
          () => sql`insert into claims (user_id, coupon_name) values ('kim', ${name})`,
          'kim',
          'already_claimed',
        ],
        [() => sql`update claims set user_id = 'heir' where ticket = ${`${id}3`}`, 'holder 3', 'queued'],
        [() => sql`update coupons set per_user_limit = 2 where id = ${id}`, 'holder 4', 'queued'],
        [() => sql`update coupons set per_user_limit = 1 where id = ${id}`, 'holder 5', 'already_claimed'],
      ];
      for (const [index, [change, userId, answer]] of ofClaims.entries()) {
        await change();
        // Whoever comes within 5 ms of another one and is let in does not wait for what is on its way.
        await house.changes.barrier();
        expect([userId, await claim(userId)]).toEqual([userId, answer]);
        expect(pagesRead()).toBe(2 * (index + 2));
      }
      expect(await claim('heir')).toBe('already_claimed');
    });

    test('nobody is turned away while codes are stored batch by batch, and nothing is loaded again', async () => {
      const { coupon, claim, pagesRead } = await openHeld();
      const answers = new Set<string>();
      let isOver = false;
      async function claimOn(who: number) {
        for (let n = 0; !isOver; n++)
          answers.add(await claim(`${who} ${n}`).catch((error: Error) => error.message));
      }
      expect(await claim('first')).toBe('queued');
      const crowd = Promise.all([1, 2, 3].map(claimOn));
      for (let batch = 0; batch < 20; batch++)
        await house.sql`
          insert into codes (random_key, code, coupon_name)
          select draw_random_key(0), upper(${`${kind}-${batch}-`} || n), ${coupon.name} from generate_series(1, 1000) n`;
      isOver = true;
      await crowd;
      expect([...answers]).toEqual(['queued']);
      expect(pagesRead()).toBe(2);
    });

    test('nothing was complained of', () => {
      expect(house.errors).toEqual([]);
    });
  });
