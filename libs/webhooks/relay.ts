import type { Sql } from '@claimline/db/pool';
import { sqlFile } from '@claimline/db/sql-file';
import { pause } from '@claimline/kernel/backoff';

const relayStatement = sqlFile(import.meta.url, './relay.sql');

export const relayLimits = {
  /** Events at which one statement has enough: with ten endpoints it then takes about a tenth of a second. */
  bite: 1000,
  /** With more of them, and so more deliveries to an event, a bite is so many times smaller. */
  endpoints: 10,
  /** Another process is at it: the wait before it is looked at again, since that one may have looked already. */
  busyMs: 20,
} as const;

type Row = { is_ours: boolean; rows: number; messages: number; lanes: string[] };

/**
 * Makes messages and deliveries of everything that is in the outbox (relay.sql), here or in the process that
 * is at it; returns how many messages were made here.
 *
 * @param onLanes told after each bite which lanes have something new
 */
export async function relayOutbox(
  sql: Sql,
  { onLanes = () => {}, signal }: { onLanes?: (lanes: string[]) => void; signal?: AbortSignal } = {},
): Promise<number> {
  const { bite, endpoints } = relayLimits;
  let relayed = 0;
  while (!signal?.aborted) {
    const [row] = await sql.unsafe<Row[]>(relayStatement, [bite, endpoints], { prepare: true });
    if (row?.is_ours && row.rows === 0) break;
    if (row?.is_ours) {
      relayed += row.messages;
      onLanes(row.lanes);
    } else await pause(relayLimits.busyMs, signal);
  }
  return relayed;
}
