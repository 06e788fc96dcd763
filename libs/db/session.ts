import { watchReserved } from './broken-connections.ts';
import { closePool, openPool, type PoolOptions, poolLimits, type Sql } from './pool.ts';

/**
 * One connection of its own. What runs on `sql` runs on it, in order, or not at all; race what you
 * await with `lost`, because a query made after the loss may never settle.
 */
export type Session = {
  sql: Sql;
  /** Rejects when the connection is lost; never resolves. */
  lost: Promise<never>;
  /** True until the connection is lost or closed. */
  alive(): boolean;
  close(): Promise<void>;
};

/**
 * Opens one connection that runs nothing else, for what needs a session: transactions and locks.
 * The driver would reconnect by itself, and the rest of a transaction would run, statement by
 * statement, outside of any; here a lost session stays lost.
 */
export async function openSession(options: PoolOptions): Promise<Session> {
  let alive = true;
  let fail: (error: Error) => void = () => {};
  const lost = new Promise<never>((_, reject) => {
    fail = reject;
  });
  lost.catch(() => {});

  const pool = openPool({
    ...options,
    max: 1,
    onClose() {
      if (!alive) return;
      alive = false;
      fail(Object.assign(new Error('The connection to Postgres was lost.'), { code: 'CONNECTION_CLOSED' }));
      // From here on the driver answers every query with an error instead of connecting again.
      void closePool(pool, 0);
    },
  });
  // The driver's own limit ends with the handshake; this one covers the first query as well.
  const connectSeconds = options.connectTimeoutSeconds ?? poolLimits.connectTimeoutSeconds;
  const giveUp = setTimeout(() => void closePool(pool, 0), connectSeconds * 1000 + 500);
  try {
    // reserve() on an instance that is not connected yet can hang for good when the first try to
    // connect fails; on a connected one it is immediate.
    await pool`select 1`;
  } catch (error) {
    alive = false;
    await closePool(pool, 0);
    throw error;
  } finally {
    clearTimeout(giveUp);
  }
  const sql = await pool.reserve();
  watchReserved(sql`select`, pool`select`);
  return {
    sql,
    lost,
    alive: () => alive,
    async close() {
      if (!alive) return;
      alive = false;
      sql.release();
      await closePool(pool);
    },
  };
}
