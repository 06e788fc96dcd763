import { randomBytes } from 'node:crypto';
import { afterAll, expect, test } from 'vitest';
import { parseAllowList } from './allow-list.ts';
import { createAttempts } from './attempts.ts';
import { deliver } from './deliver.ts';
import { relayOutbox } from './relay.ts';
import { createSeal } from './secret.ts';
import { createSender } from './send.ts';
import { deliveriesTo, insertCoupon, insertEndpoint, openWebhookDatabase, settleClaims } from './testing.ts';

const database = await openWebhookDatabase();
const { sql } = database;
afterAll(() => database.close());

test('a job that finds its endpoint disabled lets go of the delivery: it may be enabled before a sweep', async () => {
  const id = await insertEndpoint(sql);
  await settleClaims(sql, await insertCoupon(sql, 5), ['ada']);
  await relayOutbox(sql);
  const [{ id: delivery } = { id: 0 }] = await deliveriesTo(sql, id);
  await sql`update webhook_deliveries set is_queued = true, due_at = now() + interval '1 min'`;
  await sql`update webhook_endpoints set status = 'disabled', disabled_at = now(), disabled_reason = 'operator'`;
  const { signal } = new AbortController();
  const attempts = createAttempts({ sql, disableAfterS: 60, signal, onDisabled() {} });
  const sender = createSender({ allow: parseAllowList('') });
  const seal = createSeal([randomBytes(32)]);
  const schedule = { waitsMs: [0], throttledMs: 0 };
  const house = { attempts, sender, seal, schedule, signal };
  expect(await deliver({ delivery, run: 1 }, house)).toBe('held');
  expect(
    await sql`
      select status, attempts, run, is_queued, due_at > now() and due_at < now() + interval '10 s' as is_soon
      from webhook_deliveries`,
  ).toEqual([{ status: 'pending', attempts: 0, run: 2, is_queued: false, is_soon: true }]);
  expect(await sql`select from webhook_attempts`).toHaveLength(0);
});
