import type { Sql } from '@claimline/db/pool';
import { sqlFile } from '@claimline/db/sql-file';

const exhaustStatement = sqlFile(import.meta.url, './exhaust.sql');

export const sweepLimits = { bite: 1000 } as const;

/** Ends what is pending of disabled and deleted endpoints (exhaust.sql); returns how many. */
export async function exhaustDisabled(sql: Sql): Promise<number> {
  let exhausted = 0;
  for (;;) {
    const [row] = await sql.unsafe<{ count: number }[]>(exhaustStatement, [sweepLimits.bite], {
      prepare: true,
    });
    const count = row?.count ?? 0;
    exhausted += count;
    if (count < sweepLimits.bite) return exhausted;
  }
}
