import type { Env } from '@claimline/http/scope';
import { AppError } from '@claimline/kernel/error';
import { describeOnEngine, withLimits } from '@claimline/queue/testing';
import { type Following, streamLimits, streamTicket } from '@claimline/tickets/stream';
import { Hono } from 'hono';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type House, openHouse } from './testing-house.ts';
import { insertCoupon } from './testing-settle.ts';
import { createTicketSource } from './ticket-view.ts';

type Read = House['reader']['read'];

/** A queued ticket, and a stream of it whose reads go through `wrap`. */
async function openStream(house: House, wrap: (read: Read, ticket: string) => Read) {
  const coupon = await insertCoupon(house.sql, {});
  const boarded = await house.trains.board(coupon.name, { userId: 'ada', metadata: null });
  const ticket = boarded.kind === 'queued' ? boarded.ticket : '';
  const { outcomes, tickets } = house;
  const reader = { ...house.reader, read: wrap(house.reader.read, ticket) };
  const source = createTicketSource({ reader, outcomes, tickets });
  const heard = { errors: [] as unknown[], ended: 0 };
  const following: Following = {
    source,
    translate: error =>
      error === away ? new AppError('unavailable', 'away', { retryAfterSeconds: 1 }) : error,
    onError: error => heard.errors.push(error),
    stopping: new AbortController().signal,
    onEnd: () => heard.ended++,
  };
  const app = new Hono<Env>().get('/', c => streamTicket(c, ticket, following));
  return { ticket, heard, read: async () => app.request('/', {}, { incoming: { headers: {} } }) };
}
const away = new Error('a store is away');

const statusesIn = (told: string) => [...told.matchAll(/"status":"(\w+)"/g)].map(([, status]) => status);

describeOnEngine('postgres', () => {
  let house: House;
  beforeEach(async () => {
    house = await openHouse('postgres');
  });
  afterEach(() => house.close());

  test('a stream ends with an outcome that comes while the place is being told', async () => {
    const stream = await openStream(house, (read, ticket) => async asked => {
      const state = await read(asked);
      if (state.decided) return state;
      await house.startWork();
      await expect.poll(() => house.outcomes.get(ticket), { timeout: 5000 }).toBeDefined();
      return state;
    });
    // Nothing but the outcome ends it before the test's time is over.
    let told = '';
    await withLimits(streamLimits, { placeMs: 60_000 }, async () => {
      told = await (await stream.read()).text();
    });
    expect(statusesIn(told)).toEqual(['queued', 'granted']);
    expect(stream.heard).toEqual({ errors: [], ended: 1 });
  });

  test('a stream goes on while a store is away, and says to the end what becomes of its ticket', async () => {
    let reads = 0;
    const stream = await openStream(house, read => async asked => {
      reads++;
      if (reads === 2 || reads === 3) throw away;
      if (reads === 5) throw new AppError('ticket_lost', 'the place in line was lost');
      return read(asked);
    });
    let told = '';
    await withLimits(streamLimits, { placeMs: 1 }, async () => {
      told = await (await stream.read()).text();
    });
    expect(reads).toBe(5);
    expect(statusesIn(told)).toEqual(['queued']);
    const [, data = ''] = /event: problem\ndata: (.*)\n\n$/.exec(told) ?? [];
    expect(JSON.parse(data)).toMatchObject({ status: 410, code: 'ticket_lost' });
    expect(stream.heard).toEqual({ errors: [], ended: 1 });
  });

  test('a mistake of ours ends a stream and is told to the log alone', async () => {
    const mistake = new Error('select from secrets');
    const stream = await openStream(house, () => () => Promise.reject(mistake));
    const told = await (await stream.read()).text();
    expect(told).toMatch(/^event: problem\ndata: \{.*"code":"internal"/);
    expect(told).not.toContain('secrets');
    expect(stream.heard).toEqual({ errors: [mistake], ended: 1 });
  });

  test('the heart of a stream beats while a read hangs', async () => {
    let free = (_: unknown) => {};
    const hanging = new Promise(resolve => {
      free = resolve;
    });
    const stream = await openStream(house, read => async asked => {
      await hanging;
      await house.startWork();
      return read(asked);
    });
    await withLimits(streamLimits, { heartbeatMs: 5, placeMs: 50 }, async () => {
      let told = '';
      for await (const chunk of (await stream.read()).body ?? []) {
        told += Buffer.from(chunk).toString();
        if (told.includes(': still here\n\n: still here\n\n')) free(null);
      }
      expect(told.startsWith(': still here')).toBe(true);
      expect(statusesIn(told).at(-1)).toBe('granted');
    });
  });
});
