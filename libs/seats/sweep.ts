import type { Sql } from '@claimline/db/pool';
import { sqlFile } from '@claimline/db/sql-file';
import { metrics } from '@claimline/telemetry/metrics';

const lapseStatement = sqlFile(import.meta.url, './lapse.sql');

export const sweepLimits = {
  /** Reservations ended by one statement, and refusals deleted, so that none of them holds anybody up. */
  bite: 500,
} as const;

/**
 * Ends reservations that have lapsed, and those of canceled events, in small bites; returns how many.
 * @param bitesMost after so many it leaves the rest to the next sweep
 */
export async function sweepReservations(sql: Sql, bitesMost = Number.POSITIVE_INFINITY): Promise<number> {
  let lapsed = 0;
  for (let bites = 1; ; bites++) {
    const [row] = await sql.unsafe<{ count: number }[]>(lapseStatement, [sweepLimits.bite], {
      prepare: true,
    });
    const count = row?.count ?? 0;
    metrics.reservations.inc({ outcome: 'expired' }, count);
    lapsed += count;
    if (count < sweepLimits.bite || bites >= bitesMost) return lapsed;
  }
}

/** Deletes refusals older than `days` days; returns how many. Their tickets then read as lost. */
export async function pruneReservationRefusals(sql: Sql, days: number): Promise<number> {
  let pruned = 0;
  for (;;) {
    const { count } = await sql`
      delete from reservation_refusals where ticket in (
        select ticket from reservation_refusals where decided_at < now() - ${days} * interval '1 day'
        limit ${sweepLimits.bite} for update skip locked
      )`;
    pruned += count;
    if (count < sweepLimits.bite) return pruned;
  }
}
