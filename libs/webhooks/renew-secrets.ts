import type { Sql } from '@claimline/db/pool';
import type { Seal } from './secret.ts';

type Row = { id: string; secrets: { sealed: string; until: string | null }[] };

/**
 * Seals the secrets of endpoints under the newest key where they are under another, so that the key of before
 * can be taken away. What does not open is left as it is: its deliveries say so. Whoever rotates in this
 * moment wins. Safe to run in several processes at once.
 *
 * @returns how many endpoints it was done for
 */
export async function renewSecrets(sql: Sql, seal: Seal): Promise<number> {
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

/** The text under the newest key, or as it is where none of the keys opens it. */
export function renewIfOpen(seal: Seal, sealed: string, owner: string): string {
  try {
    return seal.renew(sealed, owner);
  } catch {
    return sealed;
  }
}
