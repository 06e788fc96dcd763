import type { Sql } from '@claimline/db/pool';
import { prepareCallbackSecrets } from './callback-secret.ts';
import { readSeal } from './read-seal.ts';
import { renewIfOpen } from './secret.ts';

type Row = { id: string; secrets: { sealed: string; until: string | null }[] };

/**
 * Seals all secrets anew under the newest key where they are under another, so that the key of before can be taken
 * away. From time to time: while a key is being replaced, a process that still has the other one first may make some
 * under that. What does not open is left as it is: its deliveries say so. Whoever rotates in this moment wins. Safe to
 * run in several processes at once.
 *
 * @param keys those of WEBHOOK_SECRET_KEY, the newest first
 * @returns for how many endpoints it was done
 */
export async function renewSecrets(sql: Sql, keys: Buffer[]): Promise<number> {
  const seal = await readSeal(sql, keys);
  await prepareCallbackSecrets(sql, seal);
  let renewed = 0;
  for (const { id, secrets } of await sql<Row[]>`select id, secrets from webhook_endpoints`) {
    const newer = secrets.map(secret => ({ ...secret, sealed: renewIfOpen(seal, secret.sealed, id) }));
    if (newer.every(({ sealed }, i) => sealed === secrets[i]?.sealed)) continue;
    const { count } = await sql`
      update webhook_endpoints set secrets = ${sql.json(newer)} where id = ${id} and secrets = ${sql.json(secrets)}`;
    renewed += count;
  }
  return renewed;
}
