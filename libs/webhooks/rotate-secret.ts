import type { Sql } from '@claimline/db/pool';
import { noEndpoint } from './endpoint.ts';
import type { Seal } from './secret.ts';
import { newSecret, secretText } from './sign.ts';

export const rotateLimits = {
  graceS: 86_400,
  graceMostS: 604_800,
  /** In force at once; each adds a signature to every message. The oldest goes first. */
  secretsMost: 5,
} as const;

/** A new secret, which only this answer shows. Until `previousUntil` those before it sign too. */
export type Rotated = { secret: string; previousUntil: Date };

/** Gives an endpoint a new secret; a grace of 0 ends those before it at once. Error: `endpoint_not_found`. */
export async function rotateSecret(
  sql: Sql,
  seal: Seal,
  { id, graceS }: { id: string; graceS: number },
): Promise<Rotated> {
  const secret = newSecret();
  const [row] = await sql<{ until: Date }[]>`
    update webhook_endpoints
    set updated_at = now(),
      secrets = webhook_secrets_rotated(secrets, ${seal.seal(secret, id)}, ${graceS}, ${rotateLimits.secretsMost})
    where id = ${id} returning now() + ${graceS} * interval '1 second' as until`;
  if (!row) throw noEndpoint();
  return { secret: secretText(secret), previousUntil: row.until };
}
