import type { Sql } from '@claimline/db/pool';
import { type Rotated, rotateLimits } from './rotate-secret.ts';
import { renewIfOpen, type Seal } from './secret.ts';
import { newSecret, secretText } from './sign.ts';

/**
 * The secrets that sign what goes to the callback addresses of claims, which have no endpoint: one set for all
 * of the installation, kept as those of an endpoint are. This is their key there, and whom they are sealed for.
 */
export const callbackSecrets = 'webhook_callback_secrets';

/**
 * Sees to it that there is one, sealed under the newest key where it opens at all. Safe to run in several processes
 * at once.
 */
export async function prepareCallbackSecrets(sql: Sql, seal: Seal): Promise<void> {
  const first = [{ sealed: seal.seal(newSecret(), callbackSecrets), until: null }];
  const [row] = await sql<{ value: string }[]>`
    insert into installation as kept (key, value) values (${callbackSecrets}, ${JSON.stringify(first)})
    on conflict (key) do update set value = kept.value returning value`;
  const secrets: typeof first = JSON.parse(row?.value ?? '[]');
  const newer = secrets.map(one => ({ ...one, sealed: renewIfOpen(seal, one.sealed, callbackSecrets) }));
  const value = JSON.stringify(newer);
  if (newer.some(({ sealed }, i) => sealed !== secrets[i]?.sealed))
    await sql`update installation set value = ${value} where key = ${callbackSecrets} and value = ${row?.value ?? ''}`;
}

/** Gives callbacks a new secret; a grace of 0 ends those before it at once. */
export async function rotateCallbackSecret(sql: Sql, seal: Seal, graceS: number): Promise<Rotated> {
  const secret = newSecret();
  const sealed = seal.seal(secret, callbackSecrets);
  const [row] = await sql<{ until: Date }[]>`
    insert into installation as kept (key, value)
    values (${callbackSecrets}, webhook_secrets_rotated('[]', ${sealed}, 0, 1)::text)
    on conflict (key) do update
      set value = webhook_secrets_rotated(kept.value::jsonb, ${sealed}, ${graceS}, ${rotateLimits.secretsMost})::text
    returning now() + ${graceS} * interval '1 second' as until`;
  return { secret: secretText(secret), previousUntil: (row as { until: Date }).until };
}
