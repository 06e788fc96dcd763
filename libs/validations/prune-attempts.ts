import type { Sql } from '@claimline/db/pool';
import { sqlFile } from '@claimline/db/sql-file';

const pruneStatement = sqlFile(import.meta.url, './prune-attempts.sql');

export const pruneLimits = {
  /** Rows of one statement, so that none of them holds anybody up: 5,000 took 60 ms. */
  bite: 5000,
} as const;

/**
 * Removes what is older than `days` from the usage log, in small bites; answers how many rows. Counters stay.
 * Safe in several processes at once.
 */
export async function pruneValidations(sql: Sql, days: number): Promise<number> {
  let removed = 0;
  let lastId = 0;
  for (;;) {
    const [row] = await sql.unsafe<{ seen: number; removed: number; last_id: number | null }[]>(
      pruneStatement,
      [lastId, days, pruneLimits.bite],
      { prepare: true },
    );
    removed += row?.removed ?? 0;
    if (!row?.removed || row.seen < pruneLimits.bite) break;
    lastId = row.last_id as number;
  }
  await forget(sql, days);
  return removed;
}

/** Writers that have not written for so long have ended, and nothing of theirs is sent again; counters go with their coupon. */
async function forget(sql: Sql, days: number): Promise<void> {
  await sql`delete from validation_writers where written_at < now() - ${days} * interval '1 day'`;
  await sql`
    delete from validation_counts
    where not exists (select from coupons where id = coupon_id)
      and not exists (select from validations where validations.coupon_id = validation_counts.coupon_id)`;
}
