import { type Behavior, type Receiver, startReceiver } from '@claimline/http/testing-receiver';
import { awaitUntil } from '../await-until.ts';
import type { Arena } from './arena.ts';

/** What a dead process had taken is taken again after half a minute; and the full form has 70,000 messages to send. */
const toldWithinMs = { short: 90_000, usual: 120_000, full: 400_000 };

/** Settings of processes whose merchants are on this machine, and are told again soon. */
export const merchantEnv = {
  WEBHOOK_ALLOW_HOSTS: '127.0.0.1',
  WEBHOOK_SCHEDULE_SECONDS: '0,0.2,0.5,1,2,4,8,16',
  WEBHOOK_THROTTLED_SECONDS: '1',
  WEBHOOK_TIMEOUT_SECONDS: '1',
};

/** A merchant's server with an endpoint of its own, which counts how often each message came. */
export interface Merchant {
  id: string;
  receiver: Receiver;
  /** By the message's id, how often it came. */
  came: Map<string, number>;
  status(): Promise<string>;
  close(): Promise<void>;
}

/** Starts a merchant's server and registers it for outcomes. */
export async function openMerchant({ stack }: Arena, behavior: Behavior = {}): Promise<Merchant> {
  const came = new Map<string, number>();
  const receiver = await startReceiver(behavior, {
    onRequest({ headers }) {
      const id = String(headers['webhook-id']);
      came.set(id, (came.get(id) ?? 0) + 1);
    },
  });
  const { request } = stack.client();
  const event_types = ['claim.granted', 'claim.refused'];
  const { body, text } = await request('POST', '/api/webhook-endpoints', {
    json: { url: receiver.url, event_types },
  });
  const id = (body as { id?: string }).id;
  if (id === undefined) throw new Error(`an endpoint could not be made: ${text}`);
  const path = `/api/webhook-endpoints/${id}`;
  return {
    id,
    receiver,
    came,
    async status() {
      return String(((await request('GET', path)).body as { status?: string }).status);
    },
    async close() {
      await request('DELETE', path);
      await receiver.close();
    },
  };
}

/** The database's time, in Unix milliseconds. */
export async function databaseNowMs({ stack }: Arena): Promise<number> {
  const [row] = await stack.sql<{ ms: number }[]>`
    select extract(epoch from clock_timestamp())::float8 * 1000 as ms`;
  return row!.ms;
}

/**
 * P6: every outcome since `sinceMs` (Unix time, from when on all merchants were registered) has exactly one message,
 * and every one of these merchants got each at least once.
 */
export async function seeTold(arena: Arena, merchants: Merchant[], sinceMs: number): Promise<void> {
  const { sql } = arena.stack;
  const outcomes = async () =>
    sql<{ ticket: string; ids: string[] }[]>`
      select outcome.ticket, coalesce(jsonb_agg(webhook_messages.id) filter (where webhook_messages.id is not null), '[]') as ids
      from (
        select ticket, 'claim.granted' as type, created_at as at from claims
        union all
        select ticket, 'claim.refused', decided_at from refusals where reason <> 'failed'
      ) outcome
      left join webhook_messages on webhook_messages.ticket = outcome.ticket and webhook_messages.type = outcome.type
      where at > to_timestamp(${sinceMs / 1000}::float8)
      group by outcome.ticket, outcome.type`;
  const missing = async () => {
    const all = await outcomes();
    const ids = all.flatMap(outcome => outcome.ids);
    return [
      ...all.filter(outcome => outcome.ids.length === 0).map(({ ticket }) => `no message of ${ticket}`),
      ...merchants.flatMap(({ came, id }) =>
        ids.filter(message => !came.has(message)).map(message => `${message} did not come to ${id}`),
      ),
    ];
  };
  const lanes = merchants.map(({ id }) => id);
  // A look at all outcomes takes half a second in the full form, which is for the deliveries.
  const isUnderWay = async () => {
    const [row] = await sql<{ waits: boolean }[]>`
      select exists (select from outbox)
        or exists (select from webhook_deliveries where lane in ${sql(lanes)} and status = 'pending') as waits`;
    return row!.waits;
  };
  await awaitUntil(
    'every merchant to be told',
    async () => !(await isUnderWay()) && (await missing()).length === 0,
    arena.sized(toldWithinMs.short, toldWithinMs.usual, toldWithinMs.full),
  ).catch(() => {});
  const left = await missing();
  if (left.length > 0) arena.finding(`${left.length} not told: ${left.slice(0, 3).join(', ')}`);
  const all = await outcomes();
  for (const { ticket, ids } of all)
    if (ids.length > 1) arena.finding(`${ticket} was told as ${ids.join(' and ')}`);
  const times = merchants.flatMap(({ came }) => [...came.values()]);
  const again = times.reduce((sum, count) => sum + count - 1, 0);
  arena.figure(`${all.length} outcomes told to ${merchants.length} merchants, ${again} messages came again`);
}
