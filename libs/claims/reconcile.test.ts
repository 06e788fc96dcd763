import { runChecks } from '@claimline/db/checks';
import { describeOnEngine, withLimits } from '@claimline/queue/testing';
import { afterEach, describe, expect, test } from 'vitest';
import { type Gate, gateLimits } from './gate.ts';
import { heldKey, lineKeys } from './gate-keys.ts';
import type { JobData } from './job.ts';
import { laneOf } from './lane-name.ts';
import { mendGates } from './mend-gates.ts';
import { createLineMender } from './mend-lines.ts';
import { reconcile } from './reconcile.ts';
import { type House, openHouse } from './testing-house.ts';
import { insertCoupon, readCouponRow, settleUsers } from './testing-settle.ts';
import { claimChecks, verifyLimits, verifyStores } from './verify.ts';

// What crashes and hands leave between gate, queue and tables is found, and put right.
for (const kind of ['redis', 'postgres'] as const)
  describeOnEngine(kind, () => {
    let house: House | undefined;
    afterEach(async () => {
      await house?.close();
      house = undefined;
    });
    const open = async (wrapGate?: (gate: Gate) => Gate) => {
      house = await openHouse(kind, wrapGate);
      return house;
    };
    /** Looks again only for a moment, and takes every place for old enough. */
    const soon = (work: () => Promise<void>) =>
      withLimits(verifyLimits, { inFlightMs: 300, firstLookMs: 50 }, () =>
        withLimits(gateLimits, { orphanMs: 0 }, work),
      );
    const run = ({ sql, engine, stores }: House, isRepairing: boolean) =>
      reconcile({ databaseUrl: stores.databaseUrl, sql, engine }, { isRepairing });
    const violated = async (opened: House) =>
      (await verifyStores(opened)).filter(one => one.violations > 0).map(one => one.name);
    const noted = async (opened: House) =>
      (await verifyStores(opened)).filter(one => one.notes > 0).map(one => one.name);

    /** Finds exactly these, repairs them, and finds nothing after it; repairing again does nothing. */
    async function expectRepaired(opened: House, invariants: string[]) {
      const found = await run(opened, false);
      expect(found.drift.map(one => one.invariant)).toEqual(invariants);
      expect(found.done).toEqual([]);
      expect((await run(opened, false)).drift).toEqual(found.drift);
      const repaired = await run(opened, true);
      expect(repaired.drift).toEqual(found.drift);
      expect(repaired.done.length).toBeGreaterThanOrEqual(1);
      return repaired;
    }

    async function board({ trains }: Pick<House, 'trains'>, name: string, userId: string) {
      const boarded = await trains.board(name, { userId, metadata: null });
      if (boarded.kind !== 'queued') throw new Error(`${userId} was not queued`);
      return boarded.ticket;
    }

    test('a sale that goes on has nothing to find', { timeout: 60_000 }, async () => {
      const opened = await open();
      const coupons = await Promise.all([1, 2].map(() => insertCoupon(opened.sql, { amount: 300 })));
      await opened.startWork();
      let isOver = false;
      let n = 0;
      const crowd = [0, 1, 2, 3, 4, 5].map(async lane => {
        for (; !isOver; n++) await opened.claim(coupons[lane % 2]!.name, `person ${n % 400}`);
      });
      await soon(async () => {
        for (let round = 0; round < 4; round++) {
          const verdicts = await verifyStores(opened);
          expect(verdicts.filter(one => one.violations > 0)).toEqual([]);
          const tables = await runChecks(opened.stores.databaseUrl, claimChecks);
          expect(tables.filter(one => one.violations + one.notes > 0)).toEqual([]);
        }
      });
      await expect.poll(() => n, { timeout: 40_000 }).toBeGreaterThan(800);
      isOver = true;
      await Promise.all(crowd);
      await soon(async () => expect((await run(opened, true)).drift).toEqual([]));
    });

    test('a lane with a job that no worker was told of', async () => {
      const opened = await open();
      const coupon = await insertCoupon(opened.sql, {});
      const { engine } = opened;
      // The roster forgets: as if its store had lost the last moment.
      const deaf = { ...engine, roster: { ...engine.roster, want: async () => {} } };
      await engine.roster.want(laneOf(coupon.id), coupon.name);
      const [lane] = await engine.roster.take('gone', 1, 1);
      await expect.poll(() => engine.roster.leave('gone', lane as string, 0)).toBe(true);
      const ticket = await board(opened.openDoor({ engine: deaf }), coupon.name, 'ada');
      await opened.startWork();
      await soon(async () => {
        expect(await violated(opened)).toEqual(['lanes-with-jobs-are-open']);
        await expectRepaired(opened, ['lanes-with-jobs-are-open']);
        await expect.poll(() => opened.outcomeOf(ticket)).toMatchObject({ outcome: 'granted' });
        await expect.poll(() => run(opened, true)).toEqual(nothing);
      });
    });

    test('lanes that the roster never knew, and those of other slices', async () => {
      const opened = await open();
      const { engine } = opened;
      const coupon = await insertCoupon(opened.sql, {});
      const deaf = { ...engine, roster: { ...engine.roster, want: async () => {} } };
      await board(opened.openDoor({ engine: deaf }), coupon.name, 'ada');
      await engine.add('webhooks.left', { id: 'one', name: 'a delivery', data: {} });
      await engine.roster.want('webhooks.left', 'somebody');
      const [lane] = await engine.roster.take('gone', 1, 1);
      await expect.poll(() => engine.roster.leave('gone', lane as string, 0)).toBe(true);
      await soon(async () => {
        const invariant = 'lanes-with-jobs-are-open';
        const { drift, done } = await run(opened, true);
        expect(drift.sort((a, b) => (a.coupon < b.coupon ? -1 : 1))).toMatchObject([
          { invariant, coupon: coupon.name, found: { coupon_id: coupon.id, jobs: 1, wanted: false } },
          { invariant, coupon: 'somebody', found: { lane: 'webhooks.left', jobs: 1, wanted: false } },
        ]);
        expect(done).toHaveLength(2);
        // Nobody is there to open them, which is no violation: the next worker does.
        const again = await run(opened, true);
        expect(again).toMatchObject({ drift: [], done: [] });
        expect(again.noted).toMatchObject([
          { invariant, repair: null, found: { wanted: true } },
          { invariant, repair: null, found: { wanted: true } },
        ]);
        const verdicts = await verifyStores(opened);
        expect(verdicts.find(one => one.name === invariant)).toMatchObject({ violations: 0, notes: 2 });
      });
    });

    test('a job whose claims are decided is noted', async () => {
      const opened = await open();
      const coupon = await insertCoupon(opened.sql, {});
      await opened.startWork();
      const { ticket } = await opened.claim(coupon.name, 'ada');
      await opened.stopWork();
      const data: JobData = { ...named(coupon), claims: [[ticket as string, 'ada', 1]] };
      await opened.engine.add(laneOf(coupon.id), { id: 'delivered.twice', name: coupon.name, data });
      await soon(async () => {
        // Its worker has handed the lane over, which waits for the next one.
        expect(await noted(opened)).toEqual(['lanes-with-jobs-are-open', 'jobs-are-undecided']);
        expect(await run(opened, false)).toMatchObject({
          drift: [],
          noted: [
            { invariant: 'lanes-with-jobs-are-open', count: 1 },
            { invariant: 'jobs-are-undecided', count: 1 },
          ],
        });
        await opened.startWork();
        await run(opened, true);
        await expect.poll(() => run(opened, true)).toEqual(nothing);
      });
    });

    test('counters and stock that drifted', async () => {
      const opened = await open();
      const { sql } = opened;
      const sale = await insertCoupon(sql, { name: 'a sale', amount: 10 });
      const other = await insertCoupon(sql, { name: 'other', amount: 5 });
      await settleUsers(sql, sale, ['ada', 'eve', 'kim']);
      await settleUsers(sql, other, ['ada', 'eve']);
      await sql`update coupons set remaining_amount = 2, claimed_count = 1 where name = 'a sale'`;
      await sql`update coupons set remaining_amount = 5 where name = 'other'`;
      const changed = () => sql`select name, updated_at from coupons order by name`;
      const before = await changed();
      await soon(async () => {
        const { done } = await expectRepaired(opened, [
          'remaining-is-what-is-left',
          'remaining-is-what-is-left',
          'claimed-count-is-the-rows',
        ]);
        expect(done.sort()).toEqual([
          expect.stringMatching(/^a sale: .*from \{.*"claimed_count":1.*to \{.*"claimed_count":3/),
          expect.stringMatching(/^other: .*from \{.*"remaining_amount":5.*to \{.*"remaining_amount":3/),
        ]);
        expect(await readCouponRow(sql, 'a sale')).toMatchObject({ remaining_amount: 7, claimed_count: 3 });
        expect(await readCouponRow(sql, 'other')).toMatchObject({
          remaining_amount: 3,
          epoch: 3,
          claims_epoch: 2,
        });
        expect(await changed()).toEqual(before);
        expect(await run(opened, true)).toEqual(nothing);
      });
    });

    test.each([
      ['claims are gone', `delete from claims where sequence = 2`],
      ['a claim has a number that was never given out', `update claims set sequence = 60 where sequence = 2`],
    ])('where %s the counters are evidence, and stay', async (_, spoil) => {
      const opened = await open();
      const { sql } = opened;
      const sale = await insertCoupon(sql, { name: 'sale', amount: 10 });
      await settleUsers(sql, sale, ['ada', 'eve', 'kim']);
      await sql.unsafe(
        `set session_replication_role = replica; ${spoil}; reset session_replication_role;
        update coupons set remaining_amount = 1`,
      );
      const before = await readCouponRow(sql, 'sale');
      await soon(async () => {
        const { drift, done } = await run(opened, true);
        expect(drift.map(one => one.invariant)).toContain('sequence-is-contiguous');
        expect(drift.map(one => one.repair)).toEqual(drift.map(() => null));
        expect(done).toEqual([]);
        expect(await readCouponRow(sql, 'sale')).toEqual(before);
      });
    });

    test('units of deleted claims that are not for sale are noted', async () => {
      const opened = await open();
      const { sql } = opened;
      await settleUsers(sql, await insertCoupon(sql, { name: 'sale', amount: 10 }), ['ada', 'eve']);
      await sql`delete from claims where user_id = 'eve'`;
      const before = await readCouponRow(sql, 'sale');
      await soon(async () => {
        const { drift, noted, done } = await run(opened, true);
        expect({ drift, done }).toEqual({ drift: [], done: [] });
        expect(noted).toMatchObject([{ invariant: 'remaining-is-what-is-left', count: 1, repair: null }]);
        expect(await readCouponRow(sql, 'sale')).toEqual(before);
      });
    });

    test('the stock of a book is set by its codes', async () => {
      const opened = await open();
      const { sql } = opened;
      await insertCoupon(sql, { name: 'book', amount: 1 });
      await sql`insert into codes (code, coupon_name) select 'B' || n, 'book' from generate_series(1, 3) n`;
      await sql`update coupons set remaining_amount = 2, amount = 4`;
      const stockChecks = [
        {
          invariants: { 'stock-is-the-codes': 'as the check of another slice finds it' },
          sql: `select 'stock-is-the-codes', false, jsonb_build_object('coupon', name)
            from coupons where amount <> 3 and ($1::text is null or name = $1)`,
        },
      ];
      const { databaseUrl } = opened.stores;
      const { engine } = opened;
      await soon(async () => {
        const { drift } = await reconcile({ databaseUrl, sql, engine }, { isRepairing: true, stockChecks });
        expect(drift).toMatchObject([
          { invariant: 'remaining-is-what-is-left', repair: null },
          { invariant: 'stock-is-the-codes', repair: 'set the stock by the codes' },
        ]);
        expect(await readCouponRow(sql, 'book')).toMatchObject({ amount: 3, remaining_amount: 3 });
        expect((await run(opened, false)).drift).toEqual([]);
      });
    });

    test('stock is repaired in mid-sale without a grant too many or a unit lost', {
      timeout: 60_000,
    }, async () => {
      const opened = await open();
      const { sql } = opened;
      const coupon = await insertCoupon(sql, { amount: 400 });
      await opened.startWork();
      let n = 0;
      let isSoldOut = false;
      const crowd = Array.from({ length: 6 }, async () => {
        while (!isSoldOut)
          isSoldOut = (await opened.claim(coupon.name, `person ${n++}`)).outcome === 'sold_out';
      });
      await soon(async () => {
        // 50 units vanish from the stock, and come back before the crowd is through.
        await expect.poll(() => n).toBeGreaterThan(20);
        await sql`update coupons set remaining_amount = remaining_amount - 50 where id = ${coupon.id}`;
        expect((await run(opened, true)).done).toHaveLength(1);
      });
      await Promise.all(crowd);
      expect(await readCouponRow(sql, coupon.name)).toMatchObject({
        ...{ remaining_amount: 0, granted_count: 400, claimed_count: 400 },
      });
      await soon(async () => expect((await run(opened, false)).drift).toEqual([]));
    });

    test('more claims than there are units is for people to decide', async () => {
      const opened = await open();
      const { sql } = opened;
      await insertCoupon(sql, { name: 'sale', amount: 1 });
      await sql`insert into claims (user_id, coupon_name) values ('ada', 'sale'), ('eve', 'sale')`;
      await soon(async () => {
        const { drift } = await run(opened, true);
        expect(drift.find(one => one.invariant === 'grants-within-amount')?.repair).toBeNull();
        // What is claimed is not for sale any more.
        expect(await readCouponRow(sql, 'sale')).toMatchObject({ remaining_amount: 0 });
      });
    });

    if (kind === 'redis')
      describe('the shared gate', () => {
        const redisOf = ({ stores }: House) => {
          if (!stores.redis) throw new Error('there is no Redis');
          return stores.redis;
        };

        test('a place without a job, and a decided ticket in line', async () => {
          const opened = await open(gate => ({ ...gate, settled: async () => {} }));
          const coupon = await insertCoupon(opened.sql, {});
          const lost = opened.openDoor({ engine: { ...opened.engine, add: async () => {} } });
          const orphan = await board(lost, coupon.name, 'ada');
          await opened.startWork();
          const decided = await board(opened, coupon.name, 'eve');
          const isDecided = () => opened.sql`select from claims where ticket = ${decided}`;
          await expect.poll(async () => (await isDecided()).length).toBe(1);
          await soon(async () => {
            // Workers that mend every minute have not had their turn.
            const early = await verifyStores(opened, { mendMs: 60_000 });
            expect(early.filter(one => one.violations > 0)).toEqual([]);
            expect(await violated(opened)).toEqual(['places-are-undecided', 'places-have-a-job']);
            await expectRepaired(opened, ['places-are-undecided', 'places-have-a-job']);
            await expect.poll(() => opened.outcomeOf(orphan)).toMatchObject({ outcome: 'granted' });
          });
        });

        test('jobs without a place are noted, and their places given back', async () => {
          const opened = await open();
          const coupon = await insertCoupon(opened.sql, { per_user_limit: 2 });
          const [ada = '', eve = ''] = opened.tickets.issue(coupon.id, Date.now(), 2);
          const lane = laneOf(coupon.id);
          const data: JobData = {
            ...named(coupon),
            claims: [
              [ada, 'ada', 7],
              [eve, 'eve', 8],
            ],
          };
          await opened.engine.roster.want(lane, coupon.name);
          await opened.engine.add(lane, { id: 'without.place', name: coupon.name, data });
          // A worker has it, and pauses.
          await opened.engine.queue(lane).pause();
          await opened.startWork();
          await soon(async () => {
            expect(await noted(opened)).toEqual(['jobs-have-a-place']);
            const { drift, noted: found, done } = await run(opened, true);
            expect(drift).toEqual([]);
            expect(found).toMatchObject([
              { invariant: 'jobs-have-a-place', count: 2, found: { ticket: ada } },
            ]);
            expect(done).toEqual([`${coupon.name}: 2 claims have their places in line again`]);
            expect(await run(opened, true)).toEqual(nothing);
          });
          expect(await board(opened, coupon.name, 'ada')).toBe(ada);
          const kim = await board(opened, coupon.name, 'kim');
          expect((await opened.gate.find(coupon.id, kim))?.line).toBe(9);
          expect(await opened.gate.find(coupon.id, ada)).toMatchObject({
            line: 7,
            state: { done: 6, inLine: 3 },
          });
          await opened.engine.queue(lane).resume();
          await expect.poll(() => opened.outcomeOf(ada)).toMatchObject({ outcome: 'granted' });
          await expect.poll(async () => (await opened.gate.readLine(coupon.id)).inLine).toBe(0);
        });

        test.each([
          ['of a later epoch, as after a restore of the database', ['epoch', '9']],
          ['of a later revision', ['revision', '99']],
          ['that has less left than the table', ['remaining', '0']],
          ['that has more left at the same revision', ['remaining', '77']],
          ['with other terms', ['status', 'paused']],
        ])('a gate %s', async (_, [field, value]) => {
          const opened = await open();
          const coupon = await insertCoupon(opened.sql, { amount: 10 });
          await opened.startWork();
          await opened.claim(coupon.name, 'ada');
          await expect.poll(async () => (await opened.gate.readLine(coupon.id)).inLine).toBe(0);
          await redisOf(opened).command('HSET', lineKeys(coupon.id)[0], field as string, value as string);
          await soon(async () => {
            expect(await violated(opened)).toEqual(['gate-agrees-with-table']);
            await expectRepaired(opened, ['gate-agrees-with-table']);
            expect(await run(opened, true)).toEqual(nothing);
            // A worker's round does the same.
            await redisOf(opened).command(
              'HSET',
              lineKeys(coupon.id)[0],
              ...asLoaded,
              field as string,
              value as string,
            );
            expect(await createLineMender(opened)()).toBe(1);
            expect(await violated(opened)).toEqual([]);
          });
          expect((await opened.claim(coupon.name, 'eve')).outcome).toBe('granted');
          expect((await opened.claim(coupon.name, 'ada')).outcome).toBe('already_claimed');
        });

        test('a gate that takes somebody for a holder who holds nothing', async () => {
          const opened = await open();
          const coupon = await insertCoupon(opened.sql, {});
          await opened.startWork();
          await opened.claim(coupon.name, 'ada');
          const held = heldKey(coupon.id, 1);
          await redisOf(opened).command('HSET', held, 'eve', '1 tkt_of_nobody', 'kim', '2147483647 tkt');
          expect((await opened.claim(coupon.name, 'eve')).outcome).toBe('already_claimed');
          await soon(async () => {
            expect(await violated(opened)).toEqual(['gate-holders-hold']);
            expect((await run(opened, false)).drift).toHaveLength(2);
            // What a worker does with what it has verified.
            expect(await mendGates(opened, await verifyStores(opened))).toBe(1);
            expect(await violated(opened)).toEqual([]);
          });
          expect((await opened.claim(coupon.name, 'eve')).outcome).toBe('granted');
          expect((await opened.claim(coupon.name, 'ada')).outcome).toBe('already_claimed');
        });

        test('a worker mends lines that nobody wants, of coupons that are there and gone', async () => {
          const opened = await open();
          const [there, gone] = await Promise.all([1, 2].map(() => insertCoupon(opened.sql, {})));
          const { engine } = opened;
          const dying = {
            ...engine,
            add: async () => {},
            roster: { ...engine.roster, want: async () => {} },
          };
          const { trains } = opened.openDoor({ engine: dying });
          const tickets = [
            await board({ trains }, there!.name, 'ada'),
            await board(opened.openDoor({ engine: { ...engine, add: async () => {} } }), gone!.name, 'ada'),
          ];
          await opened.sql`delete from coupons where id = ${gone!.id}`;
          await opened.startWork();
          await soon(async () => {
            expect(await createLineMender(opened)()).toBe(2);
            const outcomes = () => Promise.all(tickets.map(ticket => opened.outcomeOf(ticket)));
            await expect
              .poll(async () => (await outcomes()).map(one => one.outcome))
              .toEqual(['granted', 'coupon_not_found']);
            expect(await createLineMender(opened)()).toBe(0);
          });
        });
      });
  });

const nothing = { drift: [], noted: [], done: [] };
/** What the gate knows of a coupon after one grant of ten, field by field. */
const asLoaded = [
  'epoch',
  '1',
  'claims_epoch',
  '1',
  'revision',
  '2',
  'remaining',
  '9',
  'status',
  'active',
  'limit',
  '1',
];

const named = (coupon: { id: string; name: string }) => ({ coupon: coupon.id, name: coupon.name });
