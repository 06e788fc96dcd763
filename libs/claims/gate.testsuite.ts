import { randomUUID } from 'node:crypto';
import type { CouponFacts } from '@claimline/coupons';
import { withLimits } from '@claimline/queue/testing';
import { describe, expect, test } from 'vitest';
import { type Gate, gateLimits, type Holder, type InLine } from './gate.ts';
import { eachReasonSuite } from './gate-reasons.testsuite.ts';
import { couponFacts, failed, granted, nextTicket, pages, refused, settledNews } from './testing.ts';

const NOW = 1_800_000_000_000;

/** User ids that must pass through every store as they are. */
export const awkwardUsers = [
  'two words',
  ' leading, trailing ',
  'line\nbreak\r\ttab',
  `quotes "double" 'single' \`back\` \\ slash`,
  '12345',
  '0',
  '-1',
  '7 tkt_looks_like_a_value',
  '%s %d {brace} [list]',
  'ünïcødé ☂ 🎟 ０１ العربية',
  '\u0001\u007f\u2028',
  '__proto__',
  '🎟'.repeat(255),
];

/** What every gate must do; `gate` is asked at the beginning of each test. */
export function gateSuite(gate: () => Gate): void {
  /** Opens the gate for a new coupon that nobody holds and nobody waits for. */
  async function opened(
    facts: Partial<CouponFacts> = {},
    { held = [], inLine = [] }: { held?: Holder[]; inLine?: InLine[] } = {},
  ) {
    const coupon = couponFacts(facts);
    await gate().load(coupon, pages(held), inLine);
    return coupon;
  }
  /** @param nowMs the database's clock, null when it is not known */
  async function admit(coupon: CouponFacts, users: string[], nowMs: number | null = NOW) {
    const candidates = users.map(userId => ({ userId, ticket: nextTicket() }));
    const passed = await gate().admit(coupon, candidates, nowMs ?? undefined);
    if (typeof passed === 'string') throw new Error(`the gate answered ${passed}`);
    return { ...passed, tickets: candidates.map(candidate => candidate.ticket) };
  }
  /** One claim of one person. */
  async function admitOne(coupon: CouponFacts, userId: string, nowMs?: number | null) {
    const { verdicts, tickets, line } = await admit(coupon, [userId], nowMs);
    return { verdict: verdicts[0], ticket: tickets[0] as string, line };
  }
  const inLineOf = async (coupon: CouponFacts) => (await gate().readLine(coupon.id)).inLine;

  describe('loading', () => {
    const one = () => [{ userId: 'ada', ticket: nextTicket() }];

    test('a coupon that the gate knows nothing of is to be loaded', async () => {
      const coupon = couponFacts();
      expect(await gate().admit(coupon, one(), NOW)).toBe('load');
      await gate().load(coupon, pages([]), []);
      expect(await gate().admit(coupon, one(), NOW)).toMatchObject({ verdicts: [{ kind: 'admitted' }] });
    });

    test('a newer epoch is to be loaded, an older one is stale', async () => {
      const coupon = await opened({ epoch: 5 });
      const newer = { ...coupon, epoch: 6, status: 'paused' as const };
      expect(await gate().admit(newer, one(), NOW)).toBe('load');
      expect(await gate().admit({ ...coupon, epoch: 4 }, one(), NOW)).toBe('stale');
      expect((await admitOne(coupon, 'eve')).verdict).toEqual({ kind: 'admitted', line: 1 });
      await gate().load(newer, pages([]), []);
      expect(await gate().admit(coupon, one(), NOW)).toBe('stale');
      expect((await admitOne(newer, 'ada')).verdict).toMatchObject({ reason: 'paused' });
      // Who was in line stays in line.
      expect((await admitOne(newer, 'eve')).verdict).toMatchObject({ kind: 'joined' });
    });

    test('loading an older epoch, or the same again, changes nothing', async () => {
      const coupon = await opened({ epoch: 5, remaining: 3 });
      const { ticket } = await admitOne(coupon, 'ada');
      await gate().load({ ...coupon, epoch: 4, remaining: 0 }, pages([]), []);
      await gate().load({ ...coupon, remaining: 0 }, pages([]), []);
      expect((await admitOne(coupon, 'ada')).verdict).toEqual({ kind: 'joined', ticket });
      expect((await admitOne(coupon, 'eve')).verdict).toEqual({ kind: 'admitted', line: 2 });
    });

    test('remembers holders page by page, and who is in line with their numbers', async () => {
      const held = Array.from({ length: 2500 }, (_, i) => ({
        userId: `holder ${i}`,
        count: 1,
        ticket: `t${i}`,
      }));
      const inLine = Array.from({ length: 1200 }, (_, i) => ({
        userId: `waiter ${i}`,
        ticket: `w${i}`,
        line: 5000 + i,
      }));
      const coupon = await opened({}, { held, inLine });
      const { verdicts } = await admit(coupon, ['holder 0', 'holder 2499', 'waiter 0', 'waiter 1199', 'new']);
      expect(verdicts).toEqual([
        { kind: 'refused', reason: 'already_claimed', heldTicket: 't0' },
        { kind: 'refused', reason: 'already_claimed', heldTicket: 't2499' },
        { kind: 'joined', ticket: 'w0' },
        { kind: 'joined', ticket: 'w1199' },
        { kind: 'admitted', line: 6200 },
      ]);
      expect(await gate().find(coupon.id, 'w7')).toMatchObject({ userId: 'waiter 7', line: 5007 });
      expect(await gate().readLine(coupon.id)).toMatchObject({ inLine: 1201, done: 4999 });
    });

    test('a holder without a ticket (a row inserted by hand) is refused without one', async () => {
      const coupon = await opened({}, { held: [{ userId: 'ada', count: 1, ticket: '' }] });
      const { verdict } = await admitOne(coupon, 'ada');
      expect(verdict).toEqual({ kind: 'refused', reason: 'already_claimed', heldTicket: null });
    });

    test('holders of an older epoch are forgotten with it', async () => {
      const coupon = await opened({ epoch: 1 }, { held: [{ userId: 'ada', count: 1, ticket: 't' }] });
      expect((await admitOne(coupon, 'ada')).verdict).toMatchObject({ reason: 'already_claimed' });
      const newer = { ...coupon, epoch: 2 };
      await gate().load(newer, pages([]), []);
      expect((await admitOne(newer, 'ada')).verdict).toMatchObject({ kind: 'admitted' });
    });
  });

  eachReasonSuite({ opened, admitOne, now: NOW });

  describe('the line', () => {
    test('everybody who is admitted gets the next number, and sees the line', async () => {
      const coupon = await opened();
      const { verdicts, line } = await admit(coupon, ['a', 'b', 'c']);
      expect(verdicts).toEqual([1, 2, 3].map(number => ({ kind: 'admitted', line: number })));
      expect(line).toEqual({ inLine: 3, done: 0, perSecond: null });
      expect((await admit(coupon, ['d'])).verdicts).toEqual([{ kind: 'admitted', line: 4 }]);
      expect(await gate().readLine(coupon.id)).toEqual({ inLine: 4, done: 0, perSecond: null });
    });

    test('a person in line joins their own claim, also twice in one train', async () => {
      const coupon = await opened();
      const train = await admit(coupon, ['ada', 'eve', 'ada', 'ada']);
      const joined = { kind: 'joined', ticket: train.tickets[0] };
      expect(train.verdicts).toEqual([
        { kind: 'admitted', line: 1 },
        { kind: 'admitted', line: 2 },
        joined,
        joined,
      ]);
      expect((await admit(coupon, ['ada', 'ada'])).verdicts).toEqual([joined, joined]);
      expect(await inLineOf(coupon)).toBe(2);
    });

    test('of two of one person in one train both are refused, if one is', async () => {
      const coupon = await opened({ remaining: 0 });
      const no = { kind: 'refused', reason: 'sold_out', heldTicket: null };
      expect((await admit(coupon, ['ada', 'ada'])).verdicts).toEqual([no, no]);
    });

    test('is full at its limit; who is in it already may join, and a place that is left is free', async () => {
      const coupon = await opened();
      await withLimits(gateLimits, { lineMost: 2 }, async () => {
        const { verdicts, tickets } = await admit(coupon, ['a', 'b', 'c', 'a']);
        expect(verdicts.map(verdict => verdict.kind)).toEqual(['admitted', 'admitted', 'full', 'joined']);
        expect((await admitOne(coupon, 'c')).verdict).toEqual({ kind: 'full' });
        await gate().giveBack(coupon.id, [{ userId: 'a', ticket: tickets[0] as string }]);
        expect((await admitOne(coupon, 'c')).verdict).toEqual({ kind: 'admitted', line: 3 });
      });
    });

    test('without tickets everybody is only looked at', async () => {
      const coupon = await opened({}, { held: [{ userId: 'holder', count: 1, ticket: 't' }] });
      const { ticket } = await admitOne(coupon, 'waiter');
      const users = ['holder', 'new', 'waiter', 'new'];
      const look = () =>
        gate().admit(
          coupon,
          users.map(userId => ({ userId, ticket: '' })),
          NOW,
        );
      expect(await look()).toMatchObject({
        verdicts: [
          { kind: 'refused', reason: 'already_claimed' },
          { kind: 'unticketed' },
          { kind: 'joined', ticket },
          { kind: 'unticketed' },
        ],
        line: { inLine: 1 },
      });
      expect(await inLineOf(coupon)).toBe(1);
      expect((await admitOne(coupon, 'new')).verdict).toEqual({ kind: 'admitted', line: 2 });
      await withLimits(gateLimits, { lineMost: 2 }, async () => {
        const passed = await gate().admit(coupon, [{ userId: 'newer', ticket: '' }], NOW);
        expect(passed).toMatchObject({ verdicts: [{ kind: 'full' }] });
      });
    });

    test('a refusal comes before a full line', async () => {
      const coupon = await opened({ remaining: 0 }, { held: [{ userId: 'ada', count: 1, ticket: 't' }] });
      await withLimits(gateLimits, { lineMost: 0 }, async () => {
        expect((await admitOne(coupon, 'ada')).verdict).toMatchObject({ reason: 'already_claimed' });
        expect((await admitOne(coupon, 'eve')).verdict).toMatchObject({ reason: 'sold_out' });
      });
    });

    test('a place is found by its ticket, until it is left', async () => {
      const coupon = await opened();
      const { tickets } = await admit(coupon, ['ada', 'eve']);
      expect(await gate().find(coupon.id, tickets[1] as string)).toEqual({
        userId: 'eve',
        line: 2,
        state: { inLine: 2, done: 0, perSecond: null },
      });
      expect(await gate().find(coupon.id, nextTicket())).toBeNull();
      expect(await gate().find(coupon.id, '')).toBeNull();
      expect(await gate().find(randomUUID(), tickets[1] as string)).toBeNull();
      await gate().settled(settledNews(coupon, {}, [[tickets[1] as string, granted('eve')]]));
      expect(await gate().find(coupon.id, tickets[1] as string)).toBeNull();
      expect(await gate().readLine(randomUUID())).toEqual({ inLine: 0, done: 0, perSecond: null });
    });

    test('two coupons have nothing to do with each other', async () => {
      const [one, other] = [await opened(), await opened()];
      const { ticket } = await admitOne(one, 'ada');
      expect((await admitOne(other, 'ada')).verdict).toEqual({ kind: 'admitted', line: 1 });
      await gate().settled(settledNews(one, { remaining: 0 }, [[ticket, granted('ada')]]));
      expect((await admitOne(other, 'eve')).verdict).toMatchObject({ kind: 'admitted' });
      expect([await inLineOf(one), await inLineOf(other)]).toEqual([0, 2]);
    });

    test('says how fast it moves once it has moved for a second', async () => {
      const coupon = await opened();
      let settles = 0;
      const startedMs = performance.now();
      await expect
        .poll(
          async () => {
            const { ticket } = await admitOne(coupon, `person ${settles++}`);
            await gate().settled(settledNews(coupon, {}, [[ticket, refused('x', 'sold_out')]]));
            return (await gate().readLine(coupon.id)).perSecond;
          },
          { timeout: 5000, interval: 50 },
        )
        .not.toBeNull();
      const { perSecond, done } = await gate().readLine(coupon.id);
      const seconds = (performance.now() - startedMs) / 1000;
      expect(done).toBe(settles);
      expect(perSecond).toBeGreaterThan((settles / seconds) * 0.7);
      expect(perSecond).toBeLessThan((settles / seconds) * 1.4);
    });
  });

  describe('what was settled', () => {
    test('frees the place and is remembered: granted is held, refused may claim again', async () => {
      const coupon = await opened();
      const { tickets } = await admit(coupon, ['ada', 'eve', 'kim']);
      const [ada, eve] = tickets as [string, string];
      await gate().settled(
        settledNews(coupon, {}, [
          [ada, granted('ada')],
          [eve, refused('eve', 'paused')],
        ]),
      );
      expect(await gate().readLine(coupon.id)).toMatchObject({ inLine: 1, done: 2 });
      const again = await admit(coupon, ['ada', 'eve', 'kim']);
      expect(again.verdicts).toEqual([
        { kind: 'refused', reason: 'already_claimed', heldTicket: ada },
        { kind: 'admitted', line: 4 },
        { kind: 'joined', ticket: tickets[2] },
      ]);
    });

    test('as many as a settle can decide are taken in at once', async () => {
      const coupon = await opened({ perUserLimit: 1 });
      const users = Array.from({ length: 8000 }, (_, i) => `person ${i}`);
      const news: [string, ReturnType<typeof granted>][] = [];
      for (let from = 0; from < users.length; from += 500) {
        const some = users.slice(from, from + 500);
        const { tickets } = await admit(coupon, some);
        news.push(...some.map((userId, i): (typeof news)[number] => [tickets[i] as string, granted(userId)]));
      }
      expect(await inLineOf(coupon)).toBe(users.length);
      await gate().settled(settledNews(coupon, {}, news));
      expect(await gate().readLine(coupon.id)).toMatchObject({ inLine: 0, done: users.length });
      expect((await admitOne(coupon, 'person 7999')).verdict).toMatchObject({ heldTicket: news.at(-1)?.[0] });
    });

    test('told twice, it counts once', async () => {
      const coupon = await opened();
      const { tickets } = await admit(coupon, ['ada', 'eve']);
      const news = settledNews(coupon, { remaining: 7 }, [[tickets[0] as string, granted('ada')]]);
      await gate().settled(news);
      await gate().settled(news);
      expect(await gate().readLine(coupon.id)).toMatchObject({ inLine: 1, done: 1 });
    });

    test('told late, it takes nobody out who is in line with another ticket', async () => {
      const coupon = await opened();
      const first = await admitOne(coupon, 'eve');
      const news = settledNews(coupon, {}, [[first.ticket, refused('eve', 'sold_out')]]);
      await gate().settled(news);
      const second = await admitOne(coupon, 'eve');
      await gate().settled(news);
      expect((await admitOne(coupon, 'eve')).verdict).toEqual({ kind: 'joined', ticket: second.ticket });
    });

    test('the newest revision says what is left, in whatever order the news arrive', async () => {
      const coupon = await opened({ revision: 10, remaining: 5 });
      const hear = (revision: number, remaining: number) =>
        gate().settled(settledNews(coupon, { revision, remaining }, [[nextTicket(), granted('somebody')]]));
      await hear(12, 0);
      await hear(11, 3);
      expect((await admitOne(coupon, 'ada')).verdict).toMatchObject({ reason: 'sold_out' });
      await hear(13, 1);
      expect((await admitOne(coupon, 'ada')).verdict).toMatchObject({ kind: 'admitted' });
    });

    test('news of another epoch say nothing about this one, but free the place', async () => {
      const coupon = await opened({ epoch: 3, revision: 10 });
      const { ticket } = await admitOne(coupon, 'ada');
      for (const epoch of [2, 4])
        await gate().settled(
          settledNews({ ...coupon, epoch }, { revision: 99, remaining: 0 }, [[ticket, granted('ada')]]),
        );
      expect(await inLineOf(coupon)).toBe(0);
      expect((await admit(coupon, ['ada', 'eve'])).verdicts.map(verdict => verdict.kind)).toEqual([
        'admitted',
        'admitted',
      ]);
    });

    test('news of a coupon that is gone, or that the gate does not know, free the place', async () => {
      const coupon = await opened();
      const { ticket } = await admitOne(coupon, 'ada');
      const decisions = new Map([[ticket, refused('ada', 'coupon_not_found')]]);
      await gate().settled({ couponId: coupon.id, couponName: coupon.name, state: null, decisions });
      expect(await inLineOf(coupon)).toBe(0);
      await gate().settled({ couponId: randomUUID(), couponName: 'x', state: null, decisions });
    });

    test('a failed ticket frees the place', async () => {
      const coupon = await opened();
      const { ticket } = await admitOne(coupon, 'ada');
      await gate().settled(settledNews(coupon, {}, [[ticket, failed('ada')]]));
      expect((await admitOne(coupon, 'ada')).verdict).toEqual({ kind: 'admitted', line: 2 });
    });

    test('a person may hold as many as the limit says', async () => {
      const coupon = await opened({ perUserLimit: 3 });
      for (const held of [1, 2, 3]) {
        const { verdict, ticket } = await admitOne(coupon, 'ada');
        expect(verdict).toEqual({ kind: 'admitted', line: held });
        await gate().settled(settledNews(coupon, {}, [[ticket, granted('ada', held)]]));
        if (held === 3)
          expect((await admitOne(coupon, 'ada')).verdict).toEqual({
            kind: 'refused',
            reason: 'already_claimed',
            heldTicket: ticket,
          });
      }
    });

    test('who settle refused as a holder is one, whatever the limit', async () => {
      const coupon = await opened({ perUserLimit: 3 });
      const { ticket } = await admitOne(coupon, 'ada');
      await gate().settled(
        settledNews(coupon, {}, [[ticket, refused('ada', 'already_claimed', 'tkt_held')]]),
      );
      expect((await admitOne(coupon, 'ada')).verdict).toEqual({
        kind: 'refused',
        reason: 'already_claimed',
        heldTicket: 'tkt_held',
      });
    });
  });

  describe('giving back', () => {
    test('takes an admission back, once, and counts it as done', async () => {
      const coupon = await opened();
      const { tickets } = await admit(coupon, ['ada', 'eve']);
      const entry = { userId: 'ada', ticket: tickets[0] as string };
      await gate().giveBack(coupon.id, [entry]);
      await gate().giveBack(coupon.id, [entry]);
      await gate().giveBack(coupon.id, []);
      await gate().giveBack(randomUUID(), [entry]);
      expect(await gate().readLine(coupon.id)).toMatchObject({ inLine: 1, done: 1 });
      const again = await admitOne(coupon, 'ada');
      expect(again.verdict).toEqual({ kind: 'admitted', line: 3 });
      await gate().giveBack(coupon.id, [entry]);
      expect((await admitOne(coupon, 'ada')).verdict).toEqual({ kind: 'joined', ticket: again.ticket });
    });

    test('by age: the old go, the young stay', async () => {
      const coupon = await opened();
      await admit(coupon, ['ada', 'eve']);
      expect(await gate().sweep(coupon.id, 60_000)).toEqual({ swept: 0, left: 2 });
      const oldMs = 40;
      await new Promise(resolve => setTimeout(resolve, 2 * oldMs));
      await admit(coupon, ['kim']);
      expect(await gate().sweep(coupon.id, oldMs)).toEqual({ swept: 2, left: 1 });
      expect(await gate().readLine(coupon.id)).toMatchObject({ inLine: 1, done: 2 });
      expect((await admit(coupon, ['kim', 'ada'])).verdicts).toMatchObject([
        { kind: 'joined' },
        { kind: 'admitted', line: 4 },
      ]);
      expect(await gate().sweep(coupon.id, 0)).toEqual({ swept: 2, left: 0 });
      expect(await gate().sweep(randomUUID(), 0)).toEqual({ swept: 0, left: 0 });
    });
  });

  test('people are told apart by every byte of their ids', async () => {
    const coupon = await opened({ perUserLimit: 1 });
    const { verdicts, tickets } = await admit(coupon, awkwardUsers);
    expect(verdicts.map(verdict => verdict.kind)).toEqual(awkwardUsers.map(() => 'admitted'));
    for (const [i, userId] of awkwardUsers.entries())
      expect(await gate().find(coupon.id, tickets[i] as string)).toMatchObject({ userId, line: i + 1 });
    expect((await admit(coupon, awkwardUsers)).verdicts).toEqual(
      tickets.map(ticket => ({ kind: 'joined', ticket })),
    );
    const news = tickets.map((ticket, i) => [ticket, granted(awkwardUsers[i] as string)] as const);
    await gate().settled(settledNews(coupon, {}, news));
    expect(await gate().readLine(coupon.id)).toMatchObject({ inLine: 0, done: awkwardUsers.length });
    expect((await admit(coupon, awkwardUsers)).verdicts).toEqual(
      tickets.map(ticket => ({ kind: 'refused', reason: 'already_claimed', heldTicket: ticket })),
    );
    // The same through a load, and swept by age.
    const other = await opened(
      {},
      {
        held: awkwardUsers.slice(0, 6).map((userId, i) => ({ userId, count: 1, ticket: `t${i}` })),
        inLine: awkwardUsers.slice(6).map((userId, i) => ({ userId, ticket: `w${i}`, line: i + 1 })),
      },
    );
    expect((await admit(other, awkwardUsers)).verdicts.map(verdict => verdict.kind)).toEqual([
      ...awkwardUsers.slice(0, 6).map(() => 'refused'),
      ...awkwardUsers.slice(6).map(() => 'joined'),
    ]);
    expect(await gate().sweep(other.id, 0)).toEqual({ swept: awkwardUsers.length - 6, left: 0 });
    expect((await admit(other, awkwardUsers.slice(6))).verdicts.map(verdict => verdict.kind)).toEqual(
      awkwardUsers.slice(6).map(() => 'admitted'),
    );
  });
}
