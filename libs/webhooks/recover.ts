import type { Sql } from '@claimline/db/pool';
import { sqlFile } from '@claimline/db/sql-file';
import { AppError } from '@claimline/kernel/error';
import { noEndpoint } from './endpoint.ts';
import { isDisabled } from './resend.ts';

const recoverStatement = sqlFile(import.meta.url, './recover.sql');

export const recoverLimits = {
  /** Messages looked at by one statement, so that none of them holds anybody up. */
  bite: 2000,
  /** Then the caller is told where to go on. */
  totalMs: 30_000,
  /** Endpoints that one process recovers at once; each takes a connection nearly all of the time. */
  underWay: 3,
  retryAfterS: 5,
} as const;

/** How many messages are sent again; and from when on to ask again, null when that was all. */
export type Recovered = { recovered: number; nextSince: string | null };

type Row = {
  status: 'enabled' | 'disabled' | null;
  seen: number;
  recovered: number;
  last_at: string | null;
  last_position: number | null;
  since: string | null;
};

/**
 * Sends an endpoint everything since `since` that it was not told (recover.sql), for as long as it may take and until
 * `signal` aborts. Who asks again gets the rest. Errors: `endpoint_not_found`, `endpoint_disabled`.
 * @throws an error that isTransient (db/error.ts) knows where a relay is at it for longer than the pool waits for a lock
 */
export async function recoverEndpoint(
  sql: Sql,
  id: string,
  since: string,
  signal?: AbortSignal,
): Promise<Recovered> {
  const { bite, totalMs } = recoverLimits;
  const endsMs = performance.now() + totalMs;
  await waitForRelay(sql);
  let place = { at: since, position: 0 };
  let recovered = 0;
  for (;;) {
    const parameters = [id, place.at, place.position, bite];
    const [row] = await sql.unsafe<Row[]>(recoverStatement, parameters, { prepare: true });
    if (!row?.status) throw noEndpoint();
    if (row.status === 'disabled') throw isDisabled();
    recovered += row.recovered;
    if (row.seen < bite || row.last_at === null || row.last_position === null)
      return { recovered, nextSince: null };
    if (signal?.aborted || performance.now() >= endsMs) return { recovered, nextSince: row.since };
    place = { at: row.last_at, position: row.last_position };
  }
}

/** {@link recoverEndpoint}, once at a time for an endpoint and for few of them. Errors: those, `overloaded`. */
export function createRecovery(sql: Sql): (...asked: [string, string, AbortSignal]) => Promise<Recovered> {
  const underWay = new Set<string>();
  return async (id, since, signal) => {
    const { underWay: most, retryAfterS: retryAfterSeconds } = recoverLimits;
    if (underWay.has(id))
      throw new AppError('overloaded', 'the endpoint is being recovered already', { retryAfterSeconds });
    if (underWay.size >= most)
      throw new AppError('overloaded', 'other endpoints are being recovered, try again', {
        retryAfterSeconds,
      });
    underWay.add(id);
    try {
      return await recoverEndpoint(sql, id, since, signal);
    } finally {
      underWay.delete(id);
    }
  };
}

/**
 * The relay in hand may have looked at the endpoints before this one was enabled or created. What it makes is not
 * for this one, and cannot be seen before it commits; the relay after it knows better.
 */
async function waitForRelay(sql: Sql): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtextextended('claimline webhook relay', 0))`;
}
