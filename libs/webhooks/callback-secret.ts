import type { Sql } from '@claimline/db/pool';
import type { Seal } from './secret.ts';
import { newSecret } from './sign.ts';

const KEY = 'webhook_callback_secret';

/** The secret that signs what goes to the callback addresses of claims, which have no endpoint: one for all of the installation. */
export async function readCallbackSecret(sql: Sql, seal: Seal): Promise<Buffer> {
  await sql`
    insert into installation (key, value) values (${KEY}, ${seal.seal(newSecret(), KEY)}) on conflict (key) do nothing`;
  const [row] = await sql<{ value: string }[]>`select value from installation where key = ${KEY}`;
  if (!row) throw new Error('the secret of callbacks vanished while it was read');
  return seal.open(row.value, KEY);
}
