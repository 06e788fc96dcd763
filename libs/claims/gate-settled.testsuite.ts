import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { failed, granted, nextTicket, refused, settledNews } from './testing.ts';
import type { Door } from './testing-gate.ts';

/** What a gate makes of the news of a settle. */
export function gateSettledSuite({ gate, opened, admit, admitOne, inLineOf }: Door): void {
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
        { kind: 'joined', ticket: tickets[2], line: 3 },
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
      expect((await admitOne(coupon, 'eve')).verdict).toEqual({
        kind: 'joined',
        ticket: second.ticket,
        line: 2,
      });
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

    test('news of another claims epoch say nothing about this one, but free the place', async () => {
      const coupon = await opened({ epoch: 3, claimsEpoch: 3, revision: 10 });
      const { ticket } = await admitOne(coupon, 'ada');
      for (const epoch of [2, 4])
        await gate().settled(
          settledNews({ ...coupon, epoch, claimsEpoch: epoch }, { revision: 99, remaining: 0 }, [
            [ticket, granted('ada')],
          ]),
        );
      expect(await inLineOf(coupon)).toBe(0);
      expect((await admit(coupon, ['ada', 'eve'])).verdicts.map(verdict => verdict.kind)).toEqual([
        'admitted',
        'admitted',
      ]);
    });

    test('news of another epoch say who holds a claim, and not what is left', async () => {
      const coupon = await opened({ epoch: 3, revision: 10 });
      for (const [epoch, userId] of [[2, 'ada'] as const, [4, 'eve'] as const])
        await gate().settled(
          settledNews({ ...coupon, epoch }, { revision: 99, remaining: 0 }, [
            [`ticket of ${userId}`, granted(userId)],
          ]),
        );
      expect((await admit(coupon, ['ada', 'eve', 'new'])).verdicts).toMatchObject([
        { reason: 'already_claimed', heldTicket: 'ticket of ada' },
        { reason: 'already_claimed', heldTicket: 'ticket of eve' },
        { kind: 'admitted' },
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
}
