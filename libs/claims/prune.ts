import type { Sql } from '@claimline/db/pool';

const limits = {
  /** Rows deleted in one statement, so that none of them holds anybody up. */
  bite: 5000,
} as const;

/** Deletes refusals older than `days` days, in small bites; returns how many. Their tickets then read as lost. */
export async function pruneRefusals(sql: Sql, days: number): Promise<number> {
  let pruned = 0;
  for (;;) {
    const { count } = await sql`
      delete from refusals where ticket in (
        select ticket from refusals where decided_at < now() - ${days} * interval '1 day'
        limit ${limits.bite} for update skip locked
      )`;
    pruned += count;
    if (count < limits.bite) return pruned;
  }
}
