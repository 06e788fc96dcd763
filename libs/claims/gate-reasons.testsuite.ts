import type { CouponFacts } from '@claimline/coupons';
import { describe, expect, test } from 'vitest';
import { type Door, NOW } from './testing-gate.ts';

const hourMs = 3_600_000;

/** Every reason to refuse, and their order: that of settle.sql. */
export function gateReasonsSuite({ opened, openedWithLine, admitOne }: Door): void {
  describe('reasons', () => {
    const paused: Partial<CouponFacts> = { status: 'paused' };
    const ended: Partial<CouponFacts> = { status: 'ended' };
    const over: Partial<CouponFacts> = { startsAtMs: NOW - 2 * hourMs, endsAtMs: NOW - hourMs };
    const tooEarly: Partial<CouponFacts> = { startsAtMs: NOW + hourMs, endsAtMs: NOW + 2 * hourMs };
    const empty: Partial<CouponFacts> = { remaining: 0 };

    test.each<[string, Partial<CouponFacts>, string]>([
      ['paused', paused, 'paused'],
      ['ended', ended, 'ended'],
      ['over', over, 'ended'],
      ['over at this very moment', { endsAtMs: NOW }, 'ended'],
      ['not started', tooEarly, 'not_started'],
      ['starting in a millisecond', { startsAtMs: NOW + 1 }, 'not_started'],
      ['empty', empty, 'sold_out'],
      ['paused, over and empty', { ...over, ...paused, ...empty }, 'paused'],
      ['paused, not started and empty', { ...tooEarly, ...paused, ...empty }, 'paused'],
      ['ended, not started and empty', { ...tooEarly, ...ended, ...empty }, 'ended'],
      ['over and empty', { ...over, ...empty }, 'ended'],
      ['not started and empty', { ...tooEarly, ...empty }, 'not_started'],
    ])('a coupon that is %s', async (_, facts, reason) => {
      const holder = { userId: 'holder', count: 1, ticket: 'tkt_held' };
      const { coupon, tickets } = await openedWithLine(['waiter'], facts, [holder]);
      const refusal = { kind: 'refused', reason, heldTicket: null };
      expect((await admitOne(coupon, 'new')).verdict).toEqual(refusal);
      // Who holds one, and who is in line already, is told so whatever the sale's state.
      expect((await admitOne(coupon, 'holder')).verdict).toEqual({
        kind: 'refused',
        reason: 'already_claimed',
        heldTicket: 'tkt_held',
      });
      expect((await admitOne(coupon, 'waiter')).verdict).toEqual({
        kind: 'joined',
        ticket: tickets[0],
        line: 1,
      });
    });

    test('a sale runs from its start, to the millisecond', async () => {
      const coupon = await opened({ startsAtMs: NOW, endsAtMs: NOW + 1 });
      expect((await admitOne(coupon, 'ada', NOW)).verdict).toMatchObject({ kind: 'admitted' });
      expect((await admitOne(coupon, 'eve', NOW - 1)).verdict).toMatchObject({ reason: 'not_started' });
      expect((await admitOne(coupon, 'kim', NOW + 1)).verdict).toMatchObject({ reason: 'ended' });
    });

    test('while the database clock is not known, the window is left to settle', async () => {
      for (const facts of [over, tooEarly]) {
        const coupon = await opened(facts);
        expect((await admitOne(coupon, 'ada', null)).verdict).toMatchObject({ kind: 'admitted' });
      }
      const coupon = await opened({ ...over, ...empty });
      expect((await admitOne(coupon, 'ada', null)).verdict).toMatchObject({ reason: 'sold_out' });
    });

    test('who holds less than the limit is no holder, and more is one', async () => {
      const coupon = await opened({ perUserLimit: 2 }, [
        { userId: 'one', count: 1, ticket: 't1' },
        { userId: 'two', count: 2, ticket: 't2' },
        { userId: 'three', count: 3, ticket: 't3' },
      ]);
      expect((await admitOne(coupon, 'one')).verdict).toMatchObject({ kind: 'admitted' });
      expect((await admitOne(coupon, 'two')).verdict).toMatchObject({ heldTicket: 't2' });
      expect((await admitOne(coupon, 'three')).verdict).toMatchObject({ heldTicket: 't3' });
    });
  });
}
