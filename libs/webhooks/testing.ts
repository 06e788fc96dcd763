import { randomBytes, randomUUID } from 'node:crypto';
import { settle, settleSettings } from '@claimline/claims';
import { closePool, openPool, type Sql } from '@claimline/db/pool';
import { createTestDatabase } from '@claimline/db/testing';
import { pause } from '@claimline/kernel/backoff';

const waitMostMs = 15_000;

/** A database of a test's own, with a pool as the worker has it. */
export async function openWebhookDatabase() {
  const database = await createTestDatabase();
  const open = (max: number) =>
    openPool({ url: database.url, applicationName: 'test webhooks', max, settings: settleSettings });
  const sql = open(8);
  return {
    url: database.url,
    sql,
    async close() {
      await closePool(sql, 1);
      await database.drop();
    },
  };
}

/** Inserts an endpoint as somebody at psql would, with a secret that opens nothing; returns its id. */
export async function insertEndpoint(
  sql: Sql,
  values: { url?: string; event_types?: string[]; coupons?: string[]; secrets?: object[] } = {},
): Promise<string> {
  const id = `ep_${randomBytes(10).toString('hex')}`;
  const {
    url = 'http://127.0.0.1:9/',
    event_types = null,
    coupons = null,
    secrets = [{ sealed: '' }],
  } = values;
  await sql`
    insert into webhook_endpoints (id, url, event_types, coupons, secrets)
    values (${id}, ${url}, ${event_types}, ${coupons}, ${sql.json(secrets as never)})`;
  return id;
}

/** A coupon of a name of its own. */
export async function insertCoupon(sql: Sql, amount: number): Promise<{ id: string; name: string }> {
  const name = `coupon ${randomUUID()}`;
  const [row] = await sql<{ id: string }[]>`
    insert into coupons (name, amount, remaining_amount) values (${name}, ${amount}, ${amount}) returning id`;
  return { id: (row as { id: string }).id, name };
}

/** A person's claim: who, and where they want to be told. */
type Wish = { user: string; callbackUrl?: string; metadata?: object };

/** Settles claims of these people in one statement; returns their tickets. */
export async function settleClaims(
  sql: Sql,
  coupon: { id: string; name: string },
  wishes: (Wish | string)[],
): Promise<string[]> {
  const claims = wishes
    .map(wish => (typeof wish === 'string' ? { user: wish } : wish))
    .map(({ user, callbackUrl, metadata }: Wish, i) => {
      const ticket = `tkt_${randomUUID()}`;
      const more = metadata ? JSON.stringify(metadata) : '';
      return callbackUrl === undefined
        ? ([ticket, user, i + 1, more] as [string, string, number, string])
        : ([ticket, user, i + 1, more, callbackUrl] as [string, string, number, string, string]);
    });
  await settle(sql, { couponId: coupon.id, couponName: coupon.name, claims }, new AbortController().signal);
  return claims.map(([ticket]) => ticket);
}

/** Everything there is to tell, in the order of the feed. */
export async function readMessages(sql: Sql) {
  return sql<
    {
      position: number;
      id: string;
      type: string;
      event_sequence: number;
      coupon_name: string | null;
      body: { type: string; timestamp: string; data: Record<string, unknown> };
    }[]
  >`
    select position, id, type, event_sequence, coupon_name, payload::json as body
    from webhook_messages order by position`;
}

/** Which messages go to a lane, in the order of the feed. */
export async function deliveriesTo(sql: Sql, lane: string) {
  return sql<{ id: number; message_id: string; type: string; status: string; attempts: number }[]>`
    select webhook_deliveries.id, webhook_messages.id as message_id, type, status, attempts
    from webhook_deliveries join webhook_messages on position = message
    where lane = ${lane} order by position`;
}

/** Resolves when somebody in this database waits for a lock. Error: nobody does in time. */
export async function someoneWaits(sql: Sql): Promise<void> {
  const untilMs = performance.now() + waitMostMs;
  while (performance.now() < untilMs) {
    const waiting = await sql`
      select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
    if (waiting.length > 0) return;
    await pause(10);
  }
  throw new Error(`nobody waited for a lock within ${waitMostMs} ms`);
}
