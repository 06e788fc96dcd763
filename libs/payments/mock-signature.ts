import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Sql } from '@claimline/db/pool';

export const mockSignatureLimits = {
  /** How old a webhook of the mock may be. */
  toleranceSeconds: 300,
} as const;

/** The secret that signs the mock's webhooks: made once, kept in Postgres, the same for all processes. */
export async function readMockSecret(sql: Sql): Promise<string> {
  await sql`
    insert into installation (key, value) values ('mock_payments_secret', ${randomBytes(32).toString('hex')})
    on conflict (key) do nothing`;
  const [row] = await sql<
    { value: string }[]
  >`select value from installation where key = 'mock_payments_secret'`;
  if (!row) throw new Error('the secret of the mock vanished while it was read');
  return row.value;
}

/** The header `mock-signature` of a body: when it was sent, and a digest over both. */
export function signMock(
  secret: string,
  body: string | Buffer,
  sentS = Math.floor(Date.now() / 1000),
): string {
  return `t=${sentS},v1=${digestOf(secret, body, sentS)}`;
}

/** Whether the header is one of ours, of this body, and no older than it may be. */
export function isMockSignature(secret: string, header: string | undefined, body: Buffer): boolean {
  const [, sent, given] = /^t=(\d{1,12}),v1=([0-9a-f]{64})$/.exec(header ?? '') ?? [];
  if (sent === undefined || given === undefined) return false;
  const ageS = Date.now() / 1000 - Number(sent);
  if (Math.abs(ageS) > mockSignatureLimits.toleranceSeconds) return false;
  return timingSafeEqual(Buffer.from(given, 'hex'), Buffer.from(digestOf(secret, body, Number(sent)), 'hex'));
}

function digestOf(secret: string, body: string | Buffer, sentS: number): string {
  return createHmac('sha256', secret).update(`${sentS}.`).update(body).digest('hex');
}
