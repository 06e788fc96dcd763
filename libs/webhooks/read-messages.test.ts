import { afterAll, expect, test } from 'vitest';
import { readFeed } from './read-messages.ts';
import { relayOutbox } from './relay.ts';
import { insertCoupon, insertEndpoint, openWebhookDatabase, settleClaims } from './testing.ts';

const database = await openWebhookDatabase();
const { sql } = database;
afterAll(() => database.close());

test('dead letters of one coupon or type are found behind those of others', async () => {
  await insertEndpoint(sql);
  const [loud, quiet] = [await insertCoupon(sql, 9), await insertCoupon(sql, 1)];
  await settleClaims(sql, loud, ['ada', 'bob', 'cy', 'dee', 'eve']);
  await settleClaims(sql, quiet, ['ada', 'bob']);
  await relayOutbox(sql);
  await sql`update webhook_deliveries set status = 'exhausted'`;
  const all = { type: undefined, coupon: undefined, onlyExhausted: true, limit: 2, after: null };
  const read = async (query: Partial<typeof all> | object) =>
    (await readFeed(sql, { ...all, ...query })).map(({ payload }) => {
      const { type, data } = JSON.parse(payload);
      return `${type} ${data.user_id ?? ''}`;
    });
  expect(await read({})).toEqual(['claim.granted ada', 'claim.granted bob', 'claim.granted cy']);
  expect(await read({ coupon: quiet.name, limit: 5 })).toHaveLength(3);
  expect(await read({ coupon: quiet.name })).toEqual([
    'claim.granted ada',
    'claim.refused bob',
    'coupon.sold_out ',
  ]);
  expect(await read({ type: 'coupon.sold_out' })).toEqual(['coupon.sold_out ']);
});
