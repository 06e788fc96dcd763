import { randomUUID } from 'node:crypto';
import { pause } from '@claimline/kernel/backoff';
import { withLimits } from '@claimline/queue/testing';
import { describe, expect, test } from 'vitest';
import { gateLimits } from './gate.ts';
import { granted, nextTicket, refused, settledNews } from './testing.ts';
import { type Door, NOW } from './testing-gate.ts';

/** Places in line, and how they are given back. */
export function gateLineSuite({ gate, opened, admit, admitOne, inLineOf }: Door): void {
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
      const joined = { kind: 'joined', ticket: train.tickets[0], line: 1 };
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
      const coupon = await opened({}, [{ userId: 'holder', count: 1, ticket: 't' }]);
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
          { kind: 'joined', ticket, line: 1 },
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
      const coupon = await opened({ remaining: 0 }, [{ userId: 'ada', count: 1, ticket: 't' }]);
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
      const settles: { fromMs: number; toMs: number }[] = [];
      await expect
        .poll(
          async () => {
            const { ticket } = await admitOne(coupon, `person ${settles.length}`);
            const fromMs = performance.now();
            await gate().settled(settledNews(coupon, {}, [[ticket, refused('x', 'sold_out')]]));
            settles.push({ fromMs, toMs: performance.now() });
            return (await gate().readLine(coupon.id)).perSecond;
          },
          { timeout: 5000, interval: 50 },
        )
        .not.toBeNull();
      const { perSecond, done } = await gate().readLine(coupon.id);
      expect(done).toBe(settles.length);
      // It is counted from the first, between its beginning and its end, to the last.
      const [first, last] = [settles[0], settles.at(-1)] as { fromMs: number; toMs: number }[];
      const counted = 1000 * (settles.length - 1);
      expect(perSecond).toBeGreaterThan((0.99 * counted) / (last!.toMs - first!.fromMs));
      expect(perSecond).toBeLessThan((1.01 * counted) / (last!.fromMs - first!.toMs));
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
      expect((await admitOne(coupon, 'ada')).verdict).toEqual({
        kind: 'joined',
        ticket: again.ticket,
        line: 3,
      });
    });

    test('is read by age and by number', async () => {
      const coupon = await opened();
      const { tickets } = await admit(coupon, ['ada', 'eve']);
      const [ada, eve] = ['ada', 'eve'].map((userId, i) => ({ userId, line: i + 1, ticket: tickets[i] }));
      const read = async (among: { olderThanMs: number; belowLine?: number }) =>
        (await gate().places(coupon.id, { ...among, most: 10 })).sort((a, b) => a.line - b.line);
      expect(await read({ olderThanMs: 60_000 })).toEqual([]);
      const oldMs = 40;
      await pause(2 * oldMs);
      await admit(coupon, ['kim']);
      expect(await read({ olderThanMs: oldMs })).toEqual([ada, eve]);
      expect(await read({ olderThanMs: oldMs, belowLine: 2 })).toEqual([ada]);
      expect(await read({ olderThanMs: 0, belowLine: 4 })).toHaveLength(3);
      expect(await gate().places(randomUUID(), { olderThanMs: 0, most: 10 })).toEqual([]);
    });

    test('is read to its end, or up to as many as are wanted', async () => {
      const coupon = await opened();
      const crowd = Array.from({ length: 5000 }, (_, i) => `person ${i}`);
      for (let from = 0; from < crowd.length; from += 500) await admit(coupon, crowd.slice(from, from + 500));
      const all = await gate().places(coupon.id, { olderThanMs: 0, most: 1_000_000 });
      expect(new Set(all.map(place => place.userId)).size).toBe(crowd.length);
      const some = await gate().places(coupon.id, { olderThanMs: 0, most: 1 });
      expect(some.length).toBeGreaterThanOrEqual(1);
      expect(some.length).toBeLessThan(crowd.length);
    });
  });
}
