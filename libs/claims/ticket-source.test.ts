import type { Env } from '@claimline/http/scope';
import { describeOnEngine, withLimits } from '@claimline/queue/testing';
import { streamLimits, streamTicket } from '@claimline/tickets/stream';
import { Hono } from 'hono';
import { expect, test } from 'vitest';
import { openHouse } from './testing-house.ts';
import { insertCoupon } from './testing-settle.ts';
import { createTicketSource } from './ticket-view.ts';

describeOnEngine('postgres', () => {
  test('a stream ends with an outcome that comes while the place is being told', async () => {
    const house = await openHouse('postgres');
    try {
      const coupon = await insertCoupon(house.sql, {});
      const boarded = await house.trains.board(coupon.name, { userId: 'ada', metadata: null });
      const ticket = boarded.kind === 'queued' ? boarded.ticket : '';
      const reader = {
        ...house.reader,
        async read(asked: string) {
          const state = await house.reader.read(asked);
          if (state.decided) return state;
          await house.startWork();
          await expect.poll(() => house.outcomes.get(ticket), { timeout: 5000 }).toBeDefined();
          return state;
        },
      };
      const { outcomes, tickets } = house;
      const source = createTicketSource({ reader, outcomes, tickets });
      const never = new AbortController().signal;
      const app = new Hono<Env>().get('/', c => streamTicket(c, ticket, source, never, () => ended++));
      let ended = 0;
      // Nothing but the outcome ends it before the test's time is over.
      let told = '';
      await withLimits(streamLimits, { placeMs: 60_000 }, async () => {
        told = await (await app.request('/', {}, { incoming: { headers: {} } })).text();
      });
      const statuses = [...told.matchAll(/"status":"(\w+)"/g)].map(([, status]) => status);
      expect(statuses).toEqual(['queued', 'granted']);
      expect(ended).toBe(1);
    } finally {
      await house.close();
    }
  });
});
