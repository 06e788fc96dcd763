import type { Sql } from '@claimline/db/pool';

export const pruneLimits = {
  /** Rows deleted in one statement, so that none of them holds anybody up. */
  bite: 5000,
} as const;

/**
 * Deletes messages and attempts older than `days` days, in small bites; returns how many messages. From the
 * beginning of the feed on and never out of its middle, so that what is left is numbered without gaps: up to the first
 * that is to be kept, since a message may be a little older than the one before it.
 *
 * Deliveries go after their messages, by statements that begin later: a resend or a recover that locked a message before
 * it was deleted has committed by then, so that its deliveries are seen. What is left where this breaks off goes the next time.
 */
export async function pruneMessages(sql: Sql, days: number): Promise<number> {
  const { bite } = pruneLimits;
  const cutoff = sql`now() - ${days} * interval '1 day'`;
  await inBites(
    () => sql`
      delete from webhook_attempts where id = any (array(
        select id from (select id, created_at from webhook_attempts order by id limit ${bite}) oldest
        where created_at < ${cutoff}
      ))`,
  );
  const pruned = await inBites(
    () => sql`
      with oldest as materialized (
        select position, created_at from webhook_messages order by position limit ${bite}
      )
      delete from webhook_messages where position = any (array(select position from oldest))
        and position < (
          select coalesce(min(position) filter (where created_at >= ${cutoff}), max(position) + 1) from oldest
        )`,
  );
  await inBites(
    () => sql`
      delete from webhook_deliveries where id = any (array(
        select id from webhook_deliveries
        where message < coalesce((select min(position) from webhook_messages), ${Number.MAX_SAFE_INTEGER}::bigint)
        order by message limit ${bite}
      ))`,
  );
  return pruned;
}

async function inBites(bite: () => PromiseLike<{ count: number }>): Promise<number> {
  for (let pruned = 0; ; ) {
    const { count } = await bite();
    pruned += count;
    if (count < pruneLimits.bite) return pruned;
  }
}
