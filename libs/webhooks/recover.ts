import type { Sql } from '@claimline/db/pool';
import { sqlFile } from '@claimline/db/sql-file';
import { noEndpoint } from './endpoint.ts';
import { isDisabled } from './resend.ts';

const recoverStatement = sqlFile(import.meta.url, './recover.sql');

export const recoverLimits = {
  /** Messages looked at by one statement, so that none of them holds anybody up. */
  bite: 2000,
} as const;

type Row = {
  status: 'enabled' | 'disabled' | null;
  seen: number;
  recovered: number;
  last_at: string | null;
  last_position: number | null;
};

/**
 * Sends an endpoint everything since `since` that it was not told (recover.sql); returns how many. Who breaks
 * it off and asks again gets the rest. Errors: `endpoint_not_found`, `endpoint_disabled`.
 * @throws an error that isTransient (db/error.ts) knows where a relay is at it for longer than the pool waits for a lock
 */
export async function recoverEndpoint(sql: Sql, id: string, since: string): Promise<number> {
  await waitForRelay(sql);
  let place = { at: since, position: 0 };
  let recovered = 0;
  for (;;) {
    const [row] = await sql.unsafe<Row[]>(
      recoverStatement,
      [id, place.at, place.position, recoverLimits.bite],
      { prepare: true },
    );
    if (!row?.status) throw noEndpoint();
    if (row.status === 'disabled') throw isDisabled();
    recovered += row.recovered;
    if (row.seen < recoverLimits.bite || row.last_at === null || row.last_position === null) return recovered;
    place = { at: row.last_at, position: row.last_position };
  }
}

/**
 * The relay in hand may have looked at the endpoints before this one was enabled or created. What it makes is not
 * for this one, and cannot be seen before it commits; the relay after it knows better.
 */
async function waitForRelay(sql: Sql): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtextextended('claimline webhook relay', 0))`;
}
