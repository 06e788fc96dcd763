import { describe, expect, test } from 'vitest';
import { couponFacts, nextTicket, pages } from './testing.ts';
import { type Door, NOW } from './testing-gate.ts';

/** What a gate knows of a coupon, and when it has to ask. */
export function gateLoadSuite({ gate, opened, openedWithLine, admit, admitOne }: Door): void {
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
      expect((await admitOne(coupon, 'ada')).verdict).toEqual({ kind: 'joined', ticket, line: 1 });
      expect((await admitOne(coupon, 'eve')).verdict).toEqual({ kind: 'admitted', line: 2 });
    });

    test('remembers holders page by page, and who is in line', async () => {
      const held = Array.from({ length: 2500 }, (_, i) => ({
        userId: `holder ${i}`,
        count: 1,
        ticket: `t${i}`,
      }));
      const { coupon, tickets } = await openedWithLine(['waiter', 'last'], {}, held);
      const { verdicts } = await admit(coupon, ['holder 0', 'holder 2499', 'waiter', 'last', 'new']);
      expect(verdicts).toEqual([
        { kind: 'refused', reason: 'already_claimed', heldTicket: 't0' },
        { kind: 'refused', reason: 'already_claimed', heldTicket: 't2499' },
        { kind: 'joined', ticket: tickets[0], line: 1 },
        { kind: 'joined', ticket: tickets[1], line: 2 },
        { kind: 'admitted', line: 3 },
      ]);
      expect(await gate().find(coupon.id, tickets[1] as string)).toMatchObject({ userId: 'last', line: 2 });
      expect(await gate().readLine(coupon.id)).toMatchObject({ inLine: 3, done: 0 });
    });

    test('a holder without a ticket (a row inserted by hand) is refused without one', async () => {
      const coupon = await opened({}, [{ userId: 'ada', count: 1, ticket: '' }]);
      const { verdict } = await admitOne(coupon, 'ada');
      expect(verdict).toEqual({ kind: 'refused', reason: 'already_claimed', heldTicket: null });
    });

    test('holders of an older claims epoch are forgotten with it', async () => {
      const coupon = await opened({}, [{ userId: 'ada', count: 1, ticket: 't' }]);
      expect((await admitOne(coupon, 'ada')).verdict).toMatchObject({ reason: 'already_claimed' });
      const newer = { ...coupon, epoch: 2, claimsEpoch: 2 };
      await gate().load(newer, pages([]), []);
      expect((await admitOne(newer, 'ada')).verdict).toMatchObject({ kind: 'admitted' });
    });

    test('the terms of a newer epoch are taken over without a load, and holders and line stay', async () => {
      const coupon = await opened({}, [{ userId: 'ada', count: 1, ticket: 't' }]);
      const { ticket } = await admitOne(coupon, 'eve');
      const paused = { ...coupon, epoch: 2, revision: 2, status: 'paused' as const };
      expect(await gate().renew(paused)).toBe(true);
      expect(await gate().admit(coupon, one(), NOW)).toBe('stale');
      expect((await admit(paused, ['ada', 'eve', 'new'])).verdicts).toEqual([
        { kind: 'refused', reason: 'already_claimed', heldTicket: 't' },
        { kind: 'joined', ticket, line: 1 },
        { kind: 'refused', reason: 'paused', heldTicket: null },
      ]);
      // Those of the same epoch or an older one change nothing, and ask for no load.
      expect(await gate().renew({ ...paused, status: 'active' })).toBe(true);
      expect(await gate().renew({ ...coupon, claimsEpoch: 0 })).toBe(true);
      expect((await admitOne(paused, 'new')).verdict).toMatchObject({ reason: 'paused' });
    });

    test('without a load no terms are taken over of a coupon whose holders are not known', async () => {
      const coupon = couponFacts();
      expect(await gate().renew(coupon)).toBe(false);
      await gate().load(coupon, pages([{ userId: 'ada', count: 1, ticket: 't' }]), []);
      const newer = { ...coupon, epoch: 2, claimsEpoch: 2, revision: 2 };
      expect(await gate().renew(newer)).toBe(false);
      expect(await gate().admit(newer, one(), NOW)).toBe('load');
    });

    test('a gate that was ahead of a restored table knows no holders when the coupon is changed', async () => {
      const coupon = await opened({ revision: 10 }, [{ userId: 'ada', count: 1, ticket: 't' }]);
      const restored = { ...coupon, epoch: 2, revision: 10 };
      expect(await gate().renew(restored)).toBe(false);
      await gate().load(restored, pages([]), []);
      expect((await admitOne(restored, 'ada')).verdict).toMatchObject({ kind: 'admitted' });
    });
  });
}
