import type { Sql } from '@claimline/db/pool';
import { metrics } from '@claimline/telemetry/metrics';

/** Counts in the metrics what is still to be delivered and what was given up, in the tables of the installation. */
export async function countDeliveries(sql: Sql): Promise<void> {
  const [row] = await sql<[{ pending: number; exhausted: number; outbox: number }]>`
    select
      (select count(*) from webhook_deliveries where status = 'pending')::int as pending,
      (select count(*) from webhook_deliveries where status = 'exhausted')::int as exhausted,
      (select count(*) from outbox)::int as outbox`;
  metrics.webhookDeliveries.set({ status: 'pending' }, row.pending);
  metrics.webhookDeliveries.set({ status: 'exhausted' }, row.exhausted);
  metrics.outboxRows.set(row.outbox);
}
