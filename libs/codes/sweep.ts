import type { Sql } from '@claimline/db/pool';
import { sqlFile } from '@claimline/db/sql-file';
import { metrics } from '@claimline/telemetry/metrics';

const lapseStatement = sqlFile(import.meta.url, './lapse.sql');

export const sweepLimits = {
  /** Locks taken off by one statement, so that none of them holds anybody up. */
  bite: 1000,
} as const;

/** Takes off all locks that have lapsed, in small bites; returns how many. */
export async function sweepLocks(sql: Sql): Promise<number> {
  let lapsed = 0;
  for (;;) {
    const [row] = await sql.unsafe<{ count: number }[]>(lapseStatement, [sweepLimits.bite], {
      prepare: true,
    });
    const count = row?.count ?? 0;
    metrics.codeActions.inc({ action: 'lapse', verdict: 'ok' }, count);
    lapsed += count;
    if (count < sweepLimits.bite) return lapsed;
  }
}
