import { randomBytes } from 'node:crypto';
import type { Sql } from '@claimline/db/pool';
import { AppError } from '@claimline/kernel/error';
import { type EndpointRow, endpointColumns, endpointLimits, type NewEndpoint } from './endpoint.ts';
import type { Seal } from './secret.ts';
import { newSecret, secretText } from './sign.ts';

/**
 * Creates an endpoint with a secret of its own, which only this answer shows.
 * Error: `endpoints_exhausted`.
 */
export async function createEndpoint(
  sql: Sql,
  seal: Seal,
  input: NewEndpoint,
): Promise<{ row: EndpointRow; secret: string }> {
  const id = newEndpointId();
  const secret = newSecret();
  const secrets = [{ sealed: seal.seal(secret, id), until: null }];
  const [row] = await sql<EndpointRow[]>`
    insert into webhook_endpoints (id, url, event_types, coupons, description, secrets)
    select ${id}, ${input.url}, ${input.event_types}::text[], ${input.coupons}::text[], ${input.description},
      ${sql.json(secrets)}
    where (select count(*) from webhook_endpoints) < ${endpointLimits.endpointsMost}
    returning ${sql(endpointColumns)}`;
  if (row) return { row, secret: secretText(secret) };
  throw new AppError(
    'endpoints_exhausted',
    `there are ${endpointLimits.endpointsMost} endpoints already: delete one first`,
  );
}

/** Sorts by the time of its making, and cannot be guessed. */
function newEndpointId(): string {
  return `ep_${Date.now().toString(36).padStart(9, '0')}${BigInt(`0x${randomBytes(10).toString('hex')}`)
    .toString(36)
    .padStart(16, '0')}`;
}
