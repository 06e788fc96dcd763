import type { Sql } from '@claimline/db/pool';
import { sqlFile } from '@claimline/db/sql-file';

const lanesStatement = sqlFile(import.meta.url, './prune-lanes.sql');

export const pruneLimits = {
  /** Rows deleted in one statement, so that none of them holds anybody up. */
  bite: 5000,
} as const;

/**
 * Deletes messages and attempts older than `days` days, in small bites; returns how many messages. From the
 * beginning of the feed on and never out of its middle, so that what is left is numbered without gaps. Lanes that
 * nothing refers to any more go with them (prune-lanes.sql).
 */
export async function pruneMessages(sql: Sql, days: number): Promise<number> {
  const cutoff = sql`now() - ${days} * interval '1 day'`;
  await inBites(
    () => sql`
      delete from webhook_attempts where id = any (array(
        select id from (select id, created_at from webhook_attempts order by id limit ${pruneLimits.bite}) oldest
        where created_at < ${cutoff}
      ))`,
  );
  const pruned = await inBites(
    () => sql`
      with gone as materialized (
        delete from webhook_messages where position = any (array(
          select position
          from (select position, created_at from webhook_messages order by position limit ${pruneLimits.bite}) oldest
          where created_at < ${cutoff}
        ))
        returning position
      ),
      deliveries as (
        delete from webhook_deliveries where message = any (array(select position from gone))
      )
      select from gone`,
  );
  await sql.unsafe(lanesStatement);
  return pruned;
}

async function inBites(bite: () => PromiseLike<{ count: number }>): Promise<number> {
  for (let pruned = 0; ; ) {
    const { count } = await bite();
    pruned += count;
    if (count < pruneLimits.bite) return pruned;
  }
}
