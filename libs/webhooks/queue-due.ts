import type { Sql } from '@claimline/db/pool';
import { sqlFile } from '@claimline/db/sql-file';
import { withDeadline } from '@claimline/kernel/backoff';
import type { Engine } from '@claimline/queue/engine';
import { queueOf } from './lane-name.ts';

const dueStatement = sqlFile(import.meta.url, './queue-due.sql');

export const queueLimits = {
  /**
   * Deliveries of a lane in the queue, for each attempt that may be under way; the others wait in Postgres, where they
   * cost less. Each sweep counts them, and what a slow receiver does not get to within lostMs is added anew.
   */
  inQueueTimes: 10,
  /** Of all lanes, taken by one statement; what else is due is taken by the next one. */
  takenMost: 2000,
  /** Added at once, so that each is acknowledged well within the time that it has, however many are due. */
  addedAtOnce: 100,
  /** A job that has come to nothing by then counts as lost, and is added again. */
  lostMs: 30_000,
  /** The wait when the queue did not take them. */
  refusedMs: 5000,
  /** The queue store that has not said by then that it knows of a lane counts as away. */
  wantMs: 2000,
} as const;

/** The most deliveries of a lane in the queue, by how many attempts may be under way to one receiver. */
export function inQueueMost(concurrency: number): number {
  return queueLimits.inQueueTimes * concurrency;
}

/** What a delivery's job carries. */
export type DeliveryJob = { delivery: number; run: number };

type Row = {
  id: number;
  run: number;
  message_id: string;
  lane: string;
  label: string | null;
  was_queued: boolean;
};

/**
 * Adds a job for every delivery that is due, of these lanes or of all (queue-due.sql), until nothing is left or `signal`
 * aborts; returns how many. The schedule itself is in Postgres: a queue store that was emptied loses nothing but half a minute.
 * @param concurrency attempts under way to one receiver
 * @throws what the queue threw; the deliveries that it did not take are due again some seconds later
 */
export async function queueDue(
  { sql, engine, concurrency }: { sql: Sql; engine: Engine; concurrency: number },
  lanes: string[] | null,
  signal?: AbortSignal,
): Promise<number> {
  const { lostMs, takenMost } = queueLimits;
  let queued = 0;
  while (!signal?.aborted) {
    const limits = [inQueueMost(concurrency), lostMs, takenMost];
    const rows = await sql.unsafe<Row[]>(dueStatement, [lanes, ...limits], { prepare: true });
    await addJobs({ sql, engine }, rows);
    queued += rows.length;
    if (rows.length < takenMost) break;
  }
  return queued;
}

async function addJobs({ sql, engine }: { sql: Sql; engine: Engine }, rows: Row[]): Promise<void> {
  const { addedAtOnce, wantMs } = queueLimits;
  for (let start = 0; start < rows.length; start += addedAtOnce) {
    const chunk = rows.slice(start, start + addedAtOnce);
    try {
      for (const [lane, label] of new Map(chunk.map(row => [row.lane, row.label])))
        await withDeadline('the queue', wantMs, engine.roster.want(queueOf(lane), label ?? lane));
      await Promise.all(chunk.map(row => addJob(engine, row)));
    } catch (error) {
      await giveBack(sql, rows.slice(start));
      throw error;
    }
  }
}

async function addJob(engine: Engine, { id, run, message_id, lane, was_queued }: Row): Promise<void> {
  const data: DeliveryJob = { delivery: id, run };
  const job = { id: `${message_id}-${lane}-${run}`, name: message_id, data };
  // The queue remembers jobs that ended, and takes none of the same id.
  if (was_queued) await engine.remove(queueOf(lane), job.id);
  await engine.add(queueOf(lane), job);
}

/** Some may have been taken all the same: their jobs are of this run and are added only once. */
async function giveBack(sql: Sql, rows: Row[]): Promise<void> {
  await sql`
    update webhook_deliveries set is_queued = false, due_at = now() + ${queueLimits.refusedMs} * interval '1 ms'
    where id = any (${rows.map(row => row.id)}) and is_queued`;
}
