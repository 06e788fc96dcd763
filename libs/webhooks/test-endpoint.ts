import { randomUUID } from 'node:crypto';
import type { Sql } from '@claimline/db/pool';
import { AppError } from '@claimline/kernel/error';
import { noEndpoint } from './endpoint.ts';
import { openThose, type Seal } from './secret.ts';
import { type Sender, type Sent, unsent } from './send.ts';

export const testLimits = {
  /** Test messages under way in one process; each may take as long as an attempt. */
  underWay: 20,
  retryAfterS: 2,
} as const;

/**
 * Sends a message of type webhook.test to an endpoint, enabled or not, and answers what came of it. It is
 * sent once and at once, so that whoever sets an endpoint up sees why it does not work.
 */
export function createTestEndpoint({ sql, seal, sender }: { sql: Sql; seal: Seal; sender: Sender }) {
  let underWay = 0;

  /** Errors: `endpoint_not_found`, `overloaded`. */
  return async function testEndpoint(id: string): Promise<Sent & { messageId: string }> {
    if (underWay >= testLimits.underWay)
      throw new AppError('overloaded', 'too many test messages are under way, try again', {
        retryAfterSeconds: testLimits.retryAfterS,
      });
    underWay++;
    try {
      const [row] = await sql<{ url: string; sealed: string[]; at: Date }[]>`
        select url, webhook_secrets_in_force(secrets) as sealed, now() as at
        from webhook_endpoints where id = ${id}`;
      if (!row) throw noEndpoint();
      const messageId = `msg_${randomUUID().replaceAll('-', '')}`;
      const secrets = openOrNull(seal, row.sealed, id);
      if (secrets === null) return { ...unsent, failure: 'secret', messageId };
      const sent = await sender.send({
        url: row.url,
        id: messageId,
        body: JSON.stringify({
          type: 'webhook.test',
          timestamp: row.at.toISOString(),
          data: { endpoint_id: id },
        }),
        secrets,
        timestampS: Math.floor(row.at.getTime() / 1000),
        attempt: 1,
      });
      return { ...sent, messageId };
    } finally {
      underWay--;
    }
  };
}

function openOrNull(seal: Seal, sealed: string[], owner: string): Buffer[] | null {
  try {
    return openThose(seal, sealed, owner);
  } catch {
    return null;
  }
}
