import { randomBytes } from 'node:crypto';
import type { Sql } from '@claimline/db/pool';

/** The key that signs this installation's tickets: made once, kept in Postgres, the same for all processes. */
export async function readTicketKey(sql: Sql): Promise<Buffer> {
  await sql`
    insert into installation (key, value) values ('ticket_key', ${randomBytes(32).toString('hex')})
    on conflict (key) do nothing`;
  const [row] = await sql<{ value: string }[]>`select value from installation where key = 'ticket_key'`;
  if (!row) throw new Error('the ticket key vanished while it was read');
  return Buffer.from(row.value, 'hex');
}
