import type { Sql } from '@claimline/db/pool';
import { metrics } from '@claimline/telemetry/metrics';

export const countLimits = {
  /** Counted up to here: 10 to 80 ms in all. A backlog of millions would take longer than a monitor, or the statement, may. */
  rowsMost: 100_000,
} as const;

/**
 * Counts in the metrics what is still to be delivered and what was given up, in the tables of the installation, and
 * says when that was: what is told meanwhile, or while the tables do not answer, is what was counted last.
 */
export async function countDeliveries(sql: Sql): Promise<void> {
  const { rowsMost } = countLimits;
  const startedMs = Date.now();
  const [row] = await sql<[{ pending: number; exhausted: number; outbox: number }]>`
    select
      (select count(*) from (select from webhook_deliveries where status = 'pending' limit ${rowsMost}) p)::int as pending,
      (select count(*) from (select from webhook_deliveries where status = 'exhausted' limit ${rowsMost}) e)::int as exhausted,
      (select count(*) from (select from outbox limit ${rowsMost}) o)::int as outbox`;
  metrics.webhookDeliveries.set({ status: 'pending' }, row.pending);
  metrics.webhookDeliveries.set({ status: 'exhausted' }, row.exhausted);
  metrics.outboxRows.set(row.outbox);
  metrics.webhookCountsTimestamp.set(startedMs / 1000);
}
