import type { Sql } from '@claimline/db/pool';
import { sqlFile } from '@claimline/db/sql-file';

const exhaustStatement = sqlFile(import.meta.url, './exhaust.sql');

export const sweepLimits = {
  /** Deliveries ended by one statement. */
  bite: 1000,
} as const;

/** Ends what is pending of disabled and deleted endpoints (exhaust.sql), until `signal` aborts; returns how many. */
export async function exhaustDisabled(sql: Sql, signal?: AbortSignal): Promise<number> {
  let exhausted = 0;
  while (!signal?.aborted) {
    const [row] = await sql.unsafe<{ count: number }[]>(exhaustStatement, [sweepLimits.bite], {
      prepare: true,
    });
    const count = row?.count ?? 0;
    exhausted += count;
    if (count < sweepLimits.bite) break;
  }
  return exhausted;
}
