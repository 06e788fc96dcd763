import type { Sql } from '@claimline/db/pool';
import { sqlFile } from '@claimline/db/sql-file';
import type { Engine } from '@claimline/queue/engine';
import { queueOf } from './lane-name.ts';

const pruneStatements = sqlFile(import.meta.url, './prune-lanes.sql');

export const pruneLanesLimits = {
  /** Lanes, by lot, whose finished jobs a round drops; a queue that is looked at is kept open by the process, at 18 kB. */
  cleanedMost: 500,
} as const;

/**
 * Deletes lanes that nothing refers to any more (prune-lanes.sql), with their queues, and drops the finished jobs of
 * those that are left; returns how many lanes went. A deleted endpoint's queue goes as a whole. That of callbacks may be
 * wanted again in this moment, and a queue that is being removed is paused meanwhile: of it the finished jobs go.
 */
export async function pruneLanes({ sql, engine }: { sql: Sql; engine: Engine }): Promise<number> {
  const [, pruned = []] =
    await sql.unsafe<[unknown[], { lane: string; is_callback: boolean }[]]>(pruneStatements);
  for (const { lane, is_callback } of pruned)
    await (is_callback ? engine.clean(queueOf(lane)) : engine.drop(queueOf(lane)));
  const left = await sql<{ lane: string }[]>`
    select lane from webhook_lanes order by random() limit ${pruneLanesLimits.cleanedMost}`;
  for (const { lane } of left) await engine.clean(queueOf(lane));
  return pruned.length;
}
