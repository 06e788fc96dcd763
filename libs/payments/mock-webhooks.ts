import type { Sql } from '@claimline/db/pool';
import { readMockSecret, signMock } from './mock-signature.ts';

export const mockWebhookLimits = {
  /** Sent in one round. */
  bite: 50,
  triesMost: 6,
  /** The wait after the first try; it doubles with each. */
  retryMs: 1000,
  timeoutMs: 5000,
} as const;

type Waiting = { id: string; url: string; type: string; charge_id: string; created_at: Date };

/** Decides the mock's pending charges whose time has come, all or one; their webhooks wait to be sent. */
export async function settleMockCharges(sql: Sql, chargeId: string | null = null): Promise<void> {
  await sql`
    with settled as (
      update mock_charges
      set status = settles_as, reason = case when settles_as = 'failed' then 'payment_not_completed' end,
        settles_at = null, settles_as = null
      where status = 'pending' and settles_at <= now() and (${chargeId}::text is null or id = ${chargeId})
      returning id, status, notify_url
    )
    insert into mock_webhooks (url, type, charge_id)
    select notify_url, 'charge.' || status, id from settled where notify_url is not null`;
}

/**
 * Sends the mock's webhooks, as a provider does: signed, again when they are not taken, and given up after a
 * few tries. Answers how many were taken.
 */
export async function sendMockWebhooks(sql: Sql): Promise<number> {
  const { bite, triesMost, retryMs } = mockWebhookLimits;
  await settleMockCharges(sql);
  const waiting = await sql<Waiting[]>`
    update mock_webhooks set tries = tries + 1, due_at = now() + ${retryMs} * 2 ^ tries * interval '1 ms'
    where id in (
      select id from mock_webhooks where due_at <= now() order by due_at limit ${bite} for update skip locked
    )
    returning id, url, type, charge_id, created_at`;
  if (waiting.length === 0) return 0;
  const secret = await readMockSecret(sql);
  const taken = await Promise.all(waiting.map(webhook => send(secret, webhook)));
  const done = waiting.filter((_, i) => taken[i]).map(({ id }) => id);
  await sql`delete from mock_webhooks where id = any (${done}) or tries >= ${triesMost}`;
  return done.length;
}

async function send(secret: string, { id, url, type, charge_id, created_at }: Waiting): Promise<boolean> {
  const body = JSON.stringify({ id, type, charge_id, created_at: created_at.toISOString() });
  try {
    const { ok } = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'mock-signature': signMock(secret, body) },
      body,
      redirect: 'manual',
      signal: AbortSignal.timeout(mockWebhookLimits.timeoutMs),
    });
    return ok;
  } catch {
    return false;
  }
}
