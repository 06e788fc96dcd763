import type { Sql } from '@claimline/db/pool';
import { sqlFile } from '@claimline/db/sql-file';
import { noEndpoint } from './endpoint.ts';
import type { Seal } from './secret.ts';
import { newSecret, secretText } from './sign.ts';

const statement = sqlFile(import.meta.url, './rotate-secret.sql');

export const rotateLimits = {
  graceS: 86_400,
  graceMostS: 604_800,
  /** In force at once; each adds a signature to every message. The oldest goes first. */
  secretsMost: 5,
} as const;

/**
 * Gives an endpoint a new secret, which only this answer shows. Until `previousUntil` messages are signed
 * with those before it too; a grace of 0 ends them at once. Error: `endpoint_not_found`.
 */
export async function rotateSecret(
  sql: Sql,
  seal: Seal,
  { id, graceS }: { id: string; graceS: number },
): Promise<{ secret: string; previousUntil: Date }> {
  const secret = newSecret();
  const [row] = await sql.unsafe<{ previous_until: Date }[]>(
    statement,
    [id, seal.seal(secret, id), graceS, rotateLimits.secretsMost],
    { prepare: true },
  );
  if (!row) throw noEndpoint();
  return { secret: secretText(secret), previousUntil: row.previous_until };
}
