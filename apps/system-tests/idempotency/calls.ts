import type { Sql } from '@claimline/db/pool';
import { freshName } from '../agree.ts';
import { awaitUntil } from '../await-until.ts';
import { holdSeats } from '../bookings/hold-seats.ts';
import { couponPath } from '../claim-client.ts';
import type { ThisStack } from '../engines.ts';

/** A request that is ready to be sent, what shows that it was done, and by how much once moves that. */
export type Ready = {
  path: string;
  body: Record<string, unknown>;
  headers?: Record<string, string>;
  effect: () => Promise<number>;
  once: number;
};

/**
 * A call that takes an Idempotency-Key. `worksOn`: the table that its work writes to, for a call that goes by
 * reference; bookings and refunds are killed in bookings-killed.test.ts. `whileWorkersStand`: where workers
 * move what the effect is seen by.
 */
export type KeyedCall = { prepare: () => Promise<Ready>; worksOn?: string; whileWorkersStand?: true };

const waiting = { prefer: 'wait=10' };

/** Makes what the calls are about. */
function createMakers(stack: ThisStack) {
  const post = async (path: string, body: unknown) => {
    const answer = await stack().client().post(path, body);
    if (answer.status >= 300) throw new Error(`${path}: ${answer.status} ${answer.text}`);
    return answer.body;
  };
  /** How many rows there are now. */
  const count = (rows: (sql: Sql) => Promise<readonly unknown[]>) => async () =>
    (await rows(stack().sql)).length;

  async function coupon(more: Record<string, unknown> = {}): Promise<string> {
    const name = freshName('every call');
    await post('/api/coupons', { name, amount: 5, ...more });
    return name;
  }
  /** A code of a coupon of its own, and of nobody. */
  async function code(): Promise<{ name: string; code: string }> {
    const name = await coupon({ max_redemptions_per_code: null });
    const code = crypto.randomUUID().toUpperCase();
    await post(`${couponPath(name)}/codes`, { codes: [code] });
    return { name, code };
  }
  async function ownCode(): Promise<string> {
    const { code: given } = await code();
    await post(`/api/codes/${given}/assign`, { user_id: 'ann' });
    return given;
  }
  const ofCode = (given: string, verb: string): Ready => ({
    path: `/api/codes/${given}/${verb}`,
    body: { user_id: 'ann' },
    effect: count(sql => sql`select from code_audit where code = ${given} and action = ${verb}`),
    once: 1,
  });
  const claimsOf = (name: string) => count(sql => sql`select from claims where coupon_name = ${name}`);
  const codesOf = (name: string) => count(sql => sql`select from codes where coupon_name = ${name}`);

  async function event(): Promise<string> {
    const { id } = await post('/api/events', { name: freshName('event'), starts_at: '2100-01-01T00:00:00Z' });
    return String(id);
  }
  async function booked(): Promise<string> {
    const [id] = await holdSeats(stack().sql, 1);
    const path = `/api/reservations/${id}/booking`;
    const headers = { 'idempotency-key': crypto.randomUUID() };
    const { body } = await stack()
      .client()
      .post(path, { payment: { method: 'mock' } }, headers);
    return String(body.reference);
  }
  async function endpoint(): Promise<string> {
    return String((await post('/api/webhook-endpoints', { url: 'https://shop.invalid/' })).id);
  }
  /** A message that an endpoint was told of, in vain. */
  async function message(): Promise<{ id: string; position: number }> {
    await endpoint();
    const name = await coupon();
    await post('/api/coupons/claim', { user_id: 'ann', coupon_name: name });
    return awaitUntil('a message', async () => {
      const [row] = await stack().sql<{ id: string; position: number }[]>`
        select id, position::int from webhook_messages where coupon_name = ${name}
        and exists (select from webhook_deliveries where message = position and attempts > 0)`;
      return row;
    });
  }

  return { post, count, coupon, code, ownCode, ofCode, claimsOf, codesOf, event, booked, endpoint, message };
}

function couponCalls({
  post,
  count,
  coupon,
  code,
  ownCode,
  ofCode,
  claimsOf,
  codesOf,
}: Makers): Record<string, KeyedCall> {
  return {
    'POST /api/coupons': {
      async prepare() {
        const name = freshName('created');
        const effect = count(sql => sql`select from coupons where name = ${name}`);
        return { path: '/api/coupons', body: { name, amount: 2 }, effect, once: 1 };
      },
    },
    'POST /api/coupons/claim': {
      async prepare() {
        const name = await coupon({ per_user_limit: 5 });
        const body = { user_id: 'ann', coupon_name: name };
        return { path: '/api/coupons/claim', body, effect: claimsOf(name), once: 1 };
      },
      worksOn: 'claims',
    },
    'POST /api/coupons/{name}/claims': {
      async prepare() {
        const name = await coupon({ per_user_limit: 5 });
        const [path, body] = [`${couponPath(name)}/claims`, { user_id: 'ann' }];
        return { path, body, headers: waiting, effect: claimsOf(name), once: 1 };
      },
      worksOn: 'claims',
    },
    'POST /api/coupons/{name}/codes/generate': {
      async prepare() {
        const name = await coupon();
        const path = `${couponPath(name)}/codes/generate`;
        return { path, body: { quantity: 3 }, effect: codesOf(name), once: 3 };
      },
      worksOn: 'codes',
    },
    'POST /api/coupons/{name}/codes': {
      async prepare() {
        const name = await coupon();
        const codes = [crypto.randomUUID(), crypto.randomUUID()];
        return { path: `${couponPath(name)}/codes`, body: { codes }, effect: codesOf(name), once: 2 };
      },
      worksOn: 'codes',
    },
    'POST /api/codes/{code}/assign': {
      prepare: async () => ofCode((await code()).code, 'assign'),
      worksOn: 'claims',
    },
    'POST /api/codes/{code}/lock': { prepare: async () => ofCode(await ownCode(), 'lock') },
    'POST /api/codes/{code}/unlock': {
      async prepare() {
        const given = await ownCode();
        await post(`/api/codes/${given}/lock`, { user_id: 'ann' });
        return ofCode(given, 'unlock');
      },
    },
    'POST /api/codes/{code}/redeem': { prepare: async () => ofCode(await ownCode(), 'redeem') },
  };
}

function eventCalls(stack: ThisStack, { post, count, event, booked }: Makers): Record<string, KeyedCall> {
  return {
    'POST /api/events': {
      async prepare() {
        const name = freshName('event');
        const effect = count(sql => sql`select from events where name = ${name}`);
        return { path: '/api/events', body: { name, starts_at: '2100-01-01T00:00:00Z' }, effect, once: 1 };
      },
    },
    'POST /api/events/{id}/seats': {
      async prepare() {
        const path = `/api/events/${await event()}/seats`;
        const number = crypto.randomUUID();
        const effect = count(sql => sql`select from seats where number = ${number}`);
        return { path, body: { seats: [{ number, price: 5, currency: 'EUR' }] }, effect, once: 1 };
      },
    },
    'POST /api/events/{id}/reservations': {
      async prepare() {
        const path = `/api/events/${await event()}`;
        const seats = ['1', '2', '3'].map(number => ({ number, price: 5, currency: 'EUR' }));
        await post(`${path}/seats`, { seats });
        const user = crypto.randomUUID();
        const body = { user_id: user, quantity: 1 };
        const effect = count(sql => sql`select from reservations where user_id = ${user}`);
        return { path: `${path}/reservations`, body, headers: waiting, effect, once: 1 };
      },
      worksOn: 'reservations',
    },
    'POST /api/reservations/{id}/booking': {
      async prepare() {
        const [id] = await holdSeats(stack().sql, 1);
        const path = `/api/reservations/${id}/booking`;
        return {
          path,
          body: { payment: { method: 'mock' } },
          effect: count(sql => sql`select from mock_charges`),
          once: 1,
        };
      },
    },
    'POST /api/bookings/{reference}/refund': {
      async prepare() {
        const path = `/api/bookings/${await booked()}/refund`;
        return { path, body: { amount: 100 }, effect: count(sql => sql`select from mock_refunds`), once: 1 };
      },
    },
  };
}

function webhookCalls(stack: ThisStack, { count, endpoint, message }: Makers): Record<string, KeyedCall> {
  return {
    'POST /api/webhook-endpoints': {
      async prepare() {
        const url = `https://shop.invalid/${crypto.randomUUID()}`;
        const effect = count(sql => sql`select from webhook_endpoints where url = ${url}`);
        return { path: '/api/webhook-endpoints', body: { url }, effect, once: 1 };
      },
    },
    'POST /api/webhook-endpoints/{id}/rotate-secret': {
      async prepare() {
        const id = await endpoint();
        const effect = count(
          sql => sql`select jsonb_array_elements(secrets) from webhook_endpoints where id = ${id}`,
        );
        return { path: `/api/webhook-endpoints/${id}/rotate-secret`, body: {}, effect, once: 1 };
      },
    },
    'POST /api/webhook-callbacks/rotate-secret': {
      async prepare() {
        const effect = count(
          sql => sql`
            select jsonb_array_elements(value::jsonb) from installation where key = 'webhook_callback_secrets'`,
        );
        return { path: '/api/webhook-callbacks/rotate-secret', body: {}, effect, once: 1 };
      },
    },
    'POST /api/webhook-endpoints/{id}/recover': {
      async prepare() {
        const { position } = await message();
        const id = await endpoint();
        const effect = count(
          sql => sql`select from webhook_deliveries where lane = ${id} and message = ${position}`,
        );
        const body = { since: '2026-01-01T00:00:00Z' };
        return { path: `/api/webhook-endpoints/${id}/recover`, body, effect, once: 1 };
      },
      worksOn: 'webhook_deliveries',
    },
    'POST /api/webhook-messages/{id}/resend': {
      async prepare() {
        const { id, position } = await message();
        const [row] = await stack().sql<{ lane: string }[]>`
          select lane from webhook_deliveries where message = ${position} and attempts > 0 limit 1`;
        const effect = async () => {
          const [{ run } = { run: 0 }] = await stack().sql<{ run: number }[]>`
            select run from webhook_deliveries where message = ${position} and lane = ${row!.lane}`;
          return run;
        };
        return {
          path: `/api/webhook-messages/${id}/resend?endpoint_id=${row!.lane}`,
          body: {},
          effect,
          once: 1,
        };
      },
      whileWorkersStand: true,
    },
  };
}

type Makers = ReturnType<typeof createMakers>;

/** Every call that takes an Idempotency-Key, by its method and path. */
export function keyedCalls(stack: ThisStack): Record<string, KeyedCall> {
  const makers = createMakers(stack);
  return { ...couponCalls(makers), ...eventCalls(stack, makers), ...webhookCalls(stack, makers) };
}
