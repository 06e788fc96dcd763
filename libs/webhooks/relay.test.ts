import { closePool, openPool } from '@claimline/db/pool';
import { transaction } from '@claimline/db/transaction';
import { withLimits } from '@claimline/queue/testing';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { recoverEndpoint } from './recover.ts';
import { relayLimits, relayOutbox } from './relay.ts';
import {
  deliveriesTo,
  insertCoupon,
  insertEndpoint,
  openWebhookDatabase,
  readMessages,
  settleClaims,
  someoneWaits,
} from './testing.ts';

const database = await openWebhookDatabase();
const { sql } = database;
afterAll(() => database.close());
beforeEach(async () => {
  await sql`delete from webhook_endpoints`;
  await sql`truncate outbox, webhook_messages, webhook_deliveries, webhook_lanes, webhook_subjects`;
});

const people = (count: number, prefix = 'person') =>
  Array.from({ length: count }, (_, i) => `${prefix} ${i}`);

test('a settle writes nothing while nobody wants to know', async () => {
  const coupon = await insertCoupon(sql, 2);
  await settleClaims(sql, coupon, people(3));
  expect(await sql`select from outbox`).toHaveLength(0);
  expect(await relayOutbox(sql)).toBe(0);
});

test('outcomes become messages, numbered in the order in which they were decided', async () => {
  const endpoint = await insertEndpoint(sql);
  const coupon = await insertCoupon(sql, 2);
  const [first = ''] = await settleClaims(sql, coupon, [{ user: 'ada', metadata: { campaign: null } }]);
  const [second = '', third = ''] = await settleClaims(sql, coupon, ['bob', 'cy']);
  expect(await relayOutbox(sql)).toBe(4);

  const messages = await readMessages(sql);
  expect(messages.map(({ type, event_sequence, body }) => [type, event_sequence, body.data.user_id])).toEqual(
    [
      ['claim.granted', 1, 'ada'],
      ['claim.granted', 2, 'bob'],
      ['claim.refused', 3, 'cy'],
      ['coupon.sold_out', 4, undefined],
    ],
  );
  const [claim] = await sql`select id, created_at from claims where ticket = ${first}`;
  expect(messages[0]?.body).toEqual({
    type: 'claim.granted',
    timestamp: claim?.created_at.toISOString(),
    data: {
      coupon_name: coupon.name,
      user_id: 'ada',
      ticket: first,
      claim_id: `clm_${claim?.id}`,
      sequence: 1,
      metadata: { campaign: null },
      event_sequence: 1,
    },
  });
  expect(messages[1]?.body.data).toMatchObject({ ticket: second, sequence: 2 });
  expect(messages[2]?.body.data).toMatchObject({ ticket: third, reason: 'sold_out', event_sequence: 3 });
  expect(new Set(messages.map(message => message.id)).size).toBe(4);
  expect((await deliveriesTo(sql, endpoint)).map(one => one.message_id)).toEqual(messages.map(one => one.id));
  expect(await sql`select from outbox`).toHaveLength(0);
});

test('what is settled twice is told once', async () => {
  await insertEndpoint(sql);
  const coupon = await insertCoupon(sql, 1);
  const [ticket = ''] = await settleClaims(sql, coupon, ['ada']);
  const again = [
    [ticket, 'ada', 1],
    ['tkt_new', 'bob', 2],
  ] as [string, string, number][];
  const { settle } = await import('@claimline/claims');
  await settle(
    sql,
    { couponId: coupon.id, couponName: coupon.name, claims: again },
    new AbortController().signal,
  );
  await relayOutbox(sql);
  expect((await readMessages(sql)).map(({ type, body }) => [type, body.data.user_id])).toEqual([
    ['claim.granted', 'ada'],
    ['coupon.sold_out', undefined],
    ['claim.refused', 'bob'],
  ]);
});

test('an endpoint gets what its filters let pass, and a disabled one nothing', async () => {
  const [a, b] = [await insertCoupon(sql, 1), await insertCoupon(sql, 1)];
  const all = await insertEndpoint(sql);
  const soldOut = await insertEndpoint(sql, { event_types: ['coupon.sold_out', 'reservation.held'] });
  const onlyA = await insertEndpoint(sql, { coupons: [a.name] });
  const disabled = await insertEndpoint(sql);
  await sql`
    update webhook_endpoints set status = 'disabled', disabled_at = now(), disabled_reason = 'gone' where id = ${disabled}`;
  await settleClaims(sql, a, ['ada']);
  await settleClaims(sql, b, ['bob']);
  await sql`
    insert into outbox (type, subject, data) values ('reservation.held', 'evt', '{"user_id": "cy"}')`;
  await relayOutbox(sql);
  const typesTo = async (lane: string) => (await deliveriesTo(sql, lane)).map(one => one.type);
  const [g, s, r] = ['claim.granted', 'coupon.sold_out', 'reservation.held'];
  expect(await typesTo(all)).toEqual([g, s, g, s, r]);
  expect(await typesTo(soldOut)).toEqual([s, s, r]);
  expect(await typesTo(onlyA)).toEqual([g, s]);
  expect(await typesTo(disabled)).toEqual([]);
  expect((await readMessages(sql)).at(-1)).toMatchObject({
    coupon_name: null,
    body: { type: 'reservation.held', data: { user_id: 'cy', event_sequence: 1 } },
  });
});

test('a claim is told to its own address, without any endpoint', async () => {
  const coupon = await insertCoupon(sql, 1);
  const callbackUrl = 'https://shop.example/told?order=7';
  const [, ticket] = await settleClaims(sql, coupon, ['ada', { user: 'bob', callbackUrl }]);
  await relayOutbox(sql);
  const messages = await readMessages(sql);
  expect(messages.map(({ type, body }) => [type, body.data.ticket])).toEqual([['claim.refused', ticket]]);
  expect(await sql`select lane, callback_origin from webhook_lanes`).toEqual([
    { lane: expect.stringMatching(/^cb_[0-9a-f]{24}$/), callback_origin: 'https://shop.example' },
  ]);
  expect(await sql`select from webhook_deliveries`).toHaveLength(1);
});

test('each row of a large batch has the addresses of its own claims, and each is told', async () => {
  const coupon = await insertCoupon(sql, 2000);
  const callbackUrl = 'https://shop.example/told';
  const tickets = await settleClaims(
    sql,
    coupon,
    people(1200).map((user, i) => (i % 2 === 0 ? { user, callbackUrl } : user)),
  );
  const rows = await sql<{ count: number; callbacks: Record<string, string> }[]>`
    select json_array_length(outcomes::json) as count, callbacks from outbox order by id`;
  expect(rows.map(({ count, callbacks }) => [count, Object.keys(callbacks).length])).toEqual([
    [500, 250],
    [500, 250],
    [200, 100],
  ]);
  await relayOutbox(sql);
  const told = (await readMessages(sql)).map(({ body }) => body.data.ticket);
  expect(told).toEqual(tickets.filter((_, i) => i % 2 === 0));
});

test('a claim from a book is told with its code', async () => {
  await insertEndpoint(sql);
  const coupon = await insertCoupon(sql, 1);
  await sql`insert into codes (code, coupon_name) values ('ONLY-ONE', ${coupon.name})`;
  await settleClaims(sql, coupon, ['ada']);
  await relayOutbox(sql);
  expect((await readMessages(sql))[0]?.body.data.code).toBe('ONLY-ONE');
});

test('relays that run at once make each message once, and number them without gaps', async () => {
  const endpoint = await insertEndpoint(sql);
  const coupons = [await insertCoupon(sql, 5000), await insertCoupon(sql, 5000)];
  const relays = Array.from({ length: 4 }, () => repeatUntil(() => relayOutbox(sql)));
  for (let round = 0; round < 6; round++)
    await Promise.all(coupons.map(coupon => settleClaims(sql, coupon, people(700, `${round}`))));
  await Promise.all(relays.map(relay => relay.stop()));
  await relayOutbox(sql);
  const gaps = await sql`
    select from (select event_sequence, row_number() over (partition by subject order by position) as nth from webhook_messages) n
    where event_sequence <> nth`;
  expect(gaps).toHaveLength(0);
  const [counts] = await sql`
    select count(*)::int as messages, count(distinct ticket)::int as tickets,
      (select count(*)::int from webhook_deliveries where lane = ${endpoint}) as deliveries
    from webhook_messages`;
  expect(counts).toEqual({ messages: 8400, tickets: 8400, deliveries: 8400 });
});

test('with more endpoints a bite is so much smaller', async () => {
  for (let i = 0; i < 4; i++) await insertEndpoint(sql);
  const coupon = await insertCoupon(sql, 9);
  for (const user of people(4)) await settleClaims(sql, coupon, [user]);
  let bites = 0;
  await withLimits(relayLimits, { bite: 4, endpoints: 2 }, async () => {
    expect(await relayOutbox(sql, { onLanes: () => void bites++ })).toBe(4);
  });
  expect(bites).toBe(2);
});

test('an endpoint that is enabled while a relay is under way recovers what that one makes', async () => {
  const endpoint = await insertEndpoint(sql);
  await sql`update webhook_endpoints set status = 'disabled', disabled_at = now(), disabled_reason = 'gone'`;
  await settleClaims(sql, await insertCoupon(sql, 9), people(3));
  const patient = openPool({ url: database.url, applicationName: 'test recover', lockTimeoutMs: 0 });
  try {
    const recovered = await transaction(database.url, async tx => {
      await relayOutbox(tx);
      await sql`update webhook_endpoints set status = 'enabled', disabled_at = null, disabled_reason = null`;
      const under = recoverEndpoint(patient, endpoint, '2000-01-01T00:00:00Z');
      await Promise.race([under, someoneWaits(sql)]);
      return { under };
    });
    expect(await recovered.under).toEqual({ recovered: 3, nextSince: null });
  } finally {
    await closePool(patient);
  }
  expect(await deliveriesTo(sql, endpoint)).toHaveLength(3);
});

function repeatUntil(step: () => Promise<unknown>) {
  let stopped = false;
  const done = (async () => {
    while (!stopped) await step();
  })();
  return {
    stop() {
      stopped = true;
      return done;
    },
  };
}
