import { randomBytes } from 'node:crypto';
import type { Sql } from '@claimline/db/pool';
import { createSeal, type Seal, sealLimits } from './secret.ts';

/**
 * The seal of this installation's webhook secrets, the same for all processes. Without a configured key it
 * is one that was made once and is kept in Postgres: that keeps secrets out of a copied table, a log or a
 * query's output, and not from somebody who has the whole database. That key goes on opening what it sealed
 * when one is configured later.
 *
 * @param keys those of WEBHOOK_SECRET_KEY, the newest first
 */
export async function readSeal(sql: Sql, keys: Buffer[]): Promise<Seal> {
  if (keys.length === 0)
    await sql`
      insert into installation (key, value) values ('webhook_secret_key', ${randomBytes(sealLimits.keyBytes).toString('hex')})
      on conflict (key) do nothing`;
  const rows = await sql<
    { value: string }[]
  >`select value from installation where key = 'webhook_secret_key'`;
  const all = [...keys, ...rows.map(row => Buffer.from(row.value, 'hex'))];
  if (all.length === 0) throw new Error('the key of webhook secrets vanished while it was read');
  return createSeal(all as [Buffer, ...Buffer[]]);
}
