import type { Sql } from '@claimline/db/pool';
import { sqlFile } from '@claimline/db/sql-file';

const lanesStatement = sqlFile(import.meta.url, './prune-lanes.sql');

export const pruneLimits = {
  /** Rows deleted in one statement, so that none of them holds anybody up. Of messages so many with ten lanes of endpoints. */
  bite: 5000,
  /** With more of them, and so more deliveries to a message, a bite is so many times smaller. */
  endpoints: 10,
} as const;

/**
 * Deletes messages and attempts older than `days` days, in small bites; returns how many messages. From the
 * beginning of the feed on and never out of its middle, so that what is left is numbered without gaps: up to the first
 * that is to be kept, since a message may be a little older than the one before it. Lanes that nothing refers to any
 * more go with them (prune-lanes.sql).
 */
export async function pruneMessages(sql: Sql, days: number): Promise<number> {
  const cutoff = sql`now() - ${days} * interval '1 day'`;
  await inBites(
    pruneLimits.bite,
    () => sql`
      delete from webhook_attempts where id = any (array(
        select id from (select id, created_at from webhook_attempts order by id limit ${pruneLimits.bite}) oldest
        where created_at < ${cutoff}
      ))`,
  );
  const bite = await biteOfMessages(sql);
  const pruned = await inBites(
    bite,
    () => sql`
      with oldest as materialized (
        select position, created_at from webhook_messages order by position limit ${bite}
      ),
      gone as materialized (
        delete from webhook_messages where position = any (array(select position from oldest))
          and position < (
            select coalesce(min(position) filter (where created_at >= ${cutoff}), max(position) + 1) from oldest
          )
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

async function biteOfMessages(sql: Sql): Promise<number> {
  const { bite, endpoints } = pruneLimits;
  const [row] = await sql<{ lanes: number }[]>`
    select count(*)::int as lanes from webhook_lanes where callback_origin is null`;
  return Math.max(1, Math.floor((bite * endpoints) / Math.max(endpoints, row?.lanes ?? 0)));
}

async function inBites(most: number, bite: () => PromiseLike<{ count: number }>): Promise<number> {
  for (let pruned = 0; ; ) {
    const { count } = await bite();
    pruned += count;
    if (count < most) return pruned;
  }
}
