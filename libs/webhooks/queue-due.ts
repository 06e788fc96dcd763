import type { Sql } from '@claimline/db/pool';
import { sqlFile } from '@claimline/db/sql-file';
import type { Engine } from '@claimline/queue/engine';
import { queueOf } from './lane-name.ts';

const dueStatement = sqlFile(import.meta.url, './queue-due.sql');

export const queueLimits = {
  /** Deliveries of a lane in the queue at once; the others wait in Postgres, where they cost less. */
  inQueueMost: 1000,
  /** A job that has come to nothing by then counts as lost, and is added again. */
  lostMs: 60_000,
  /** The wait when the queue did not take them. */
  refusedMs: 5000,
} as const;

/** What a delivery's job carries. */
export type DeliveryJob = { delivery: number; run: number };

type Row = { id: number; run: number; message_id: string; lane: string; label: string | null };

/**
 * Adds a job for every delivery that is due, of these lanes or of all (queue-due.sql); returns how many. The
 * schedule itself is in Postgres: a queue store that was emptied loses nothing but a minute.
 * @throws what the queue threw; the deliveries are due again some seconds later
 */
export async function queueDue(
  { sql, engine }: { sql: Sql; engine: Engine },
  lanes: string[] | null,
): Promise<number> {
  const { inQueueMost, lostMs } = queueLimits;
  const rows = await sql.unsafe<Row[]>(dueStatement, [lanes, inQueueMost, lostMs], { prepare: true });
  try {
    for (const [lane, label] of new Map(rows.map(row => [row.lane, row.label])))
      await engine.roster.want(queueOf(lane), label ?? lane);
    await Promise.all(rows.map(row => addJob(engine, row)));
  } catch (error) {
    await giveBack(sql, rows);
    throw error;
  }
  return rows.length;
}

function addJob(engine: Engine, { id, run, message_id, lane }: Row): Promise<void> {
  const data: DeliveryJob = { delivery: id, run };
  return engine.add(queueOf(lane), { id: `${message_id}-${lane}-${run}`, name: message_id, data });
}

/** Some may have been taken all the same: their jobs are of this run and are added only once. */
async function giveBack(sql: Sql, rows: Row[]): Promise<void> {
  await sql`
    update webhook_deliveries set is_queued = false, due_at = now() + ${queueLimits.refusedMs} * interval '1 ms'
    where id = any (${rows.map(row => row.id)}) and is_queued`;
}
