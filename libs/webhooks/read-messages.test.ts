import { withLimits } from '@claimline/queue/testing';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { feedLimits, readFeed } from './read-messages.ts';
import { relayOutbox } from './relay.ts';
import { insertCoupon, insertEndpoint, openWebhookDatabase, settleClaims } from './testing.ts';

const database = await openWebhookDatabase();
const { sql } = database;
afterAll(() => database.close());
beforeEach(async () => {
  await sql`delete from webhook_endpoints`;
  await sql`truncate outbox, webhook_messages, webhook_deliveries, webhook_subjects restart identity`;
});

test('dead letters of one coupon or type are found behind those of others', async () => {
  await insertEndpoint(sql);
  const [loud, quiet] = [await insertCoupon(sql, 9), await insertCoupon(sql, 1)];
  await settleClaims(sql, loud, ['ada', 'bob', 'cy', 'dee', 'eve']);
  await settleClaims(sql, quiet, ['ada', 'bob']);
  await relayOutbox(sql);
  await sql`update webhook_deliveries set status = 'exhausted'`;
  const all = { type: undefined, coupon: undefined, onlyExhausted: true, limit: 2, after: null };
  const read = async (query: Partial<typeof all> | object) =>
    (await readFeed(sql, { ...all, ...query })).rows.map(({ payload }) => {
      const { type, data } = JSON.parse(payload);
      return `${type} ${data.user_id ?? ''}`;
    });
  expect(await read({})).toEqual(['claim.granted ada', 'claim.granted bob']);
  expect(await read({ coupon: quiet.name, limit: 5 })).toHaveLength(3);
  expect(await read({ coupon: quiet.name })).toEqual(['claim.granted ada', 'claim.refused bob']);
  expect(await read({ type: 'coupon.sold_out' })).toEqual(['coupon.sold_out ']);
});

test('a page ends where it has deliveries enough, and a message with more is a page', async () => {
  for (let i = 0; i < 3; i++) await insertEndpoint(sql);
  await settleClaims(sql, await insertCoupon(sql, 9), ['ada', 'bob', 'cy', 'dee', 'eve']);
  await relayOutbox(sql);
  const read = async (after: number | null, limit = 9) => {
    const query = { type: undefined, coupon: undefined, onlyExhausted: false, limit, after };
    const { rows, end, isMore } = await readFeed(sql, query);
    return [rows.map(({ position, deliveries }) => [position, deliveries.length]), end, isMore];
  };
  await withLimits(feedLimits, { deliveriesMost: 7 }, async () => {
    expect(await read(null)).toEqual([
      [
        [1, 3],
        [2, 3],
      ],
      2,
      true,
    ]);
    expect(await read(2, 1)).toEqual([[[3, 3]], 3, true]);
    expect(await read(4)).toEqual([[[5, 3]], 5, false]);
    expect(await read(5)).toEqual([[], 5, false]);
  });
  await withLimits(feedLimits, { deliveriesMost: 2 }, async () => {
    expect(await read(3)).toEqual([[[4, 3]], 4, true]);
  });
});

test.each([false, true])(
  'what is rare is found bite by bite, past those with nothing of it (only dead letters: %s)',
  async onlyExhausted => {
    await insertEndpoint(sql);
    const [loud, quiet] = [await insertCoupon(sql, 99), await insertCoupon(sql, 99)];
    await settleClaims(sql, loud, ['ada', 'bob', 'cy', 'dee', 'eve']);
    await settleClaims(sql, quiet, ['fay']);
    await settleClaims(sql, loud, ['gil', 'hal', 'ida', 'jon']);
    await relayOutbox(sql);
    await sql`update webhook_deliveries set status = 'exhausted'`;
    const query = { type: undefined, coupon: quiet.name, onlyExhausted, limit: 2 };
    const read = async (after: number | null) => {
      const { rows, end, isMore } = await readFeed(sql, { ...query, after });
      return [rows.map(({ position }) => position), end, isMore];
    };
    await withLimits(feedLimits, { lookedAt: 4 }, async () => {
      expect(await read(null)).toEqual([[], 4, true]);
      expect(await read(4)).toEqual([[6], 8, true]);
      // Dead letters appear in any order: from there on it is looked anew.
      expect(await read(8)).toEqual([[], onlyExhausted ? 8 : 10, false]);
      expect(await read(10)).toEqual([[], 10, false]);
    });
    await settleClaims(sql, quiet, ['kim']);
    await relayOutbox(sql);
    await sql`update webhook_deliveries set status = 'exhausted'`;
    expect(await read(10)).toEqual([[11], 11, false]);
  },
);
