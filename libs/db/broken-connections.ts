/** What is used of the driver's queries (postgres/src/query.js). */
type DriverQuery = {
  executed: boolean;
  /** Of the pool, or of the reserved connection, that the query is for. */
  handler: object;
  reject(error: unknown): void;
  handle(): Promise<void>;
};

export const brokenConnectionLimits = {
  /** Turns of the event loop after which a socket that had an error is closed: it is at the end of the same turn. */
  turns: 2,
} as const;

/** Pools with a connection that has had an error and is not closed yet. */
const breaking = new Map<object, Promise<void>>();
const mended = new WeakSet<object>();

/**
 * Mends how the driver (3.4.9) treats a connection that breaks with an error, such as ECONNRESET. It rejects the
 * queries under way when the socket has the error, and gives the connection up when the socket is closed, which is
 * later in the same turn of the event loop. A query made in between goes to the dead socket: it never settles, and its
 * connection is lost to the pool. Whoever tries again at once makes such queries: workers that had lived through a
 * crash of Postgres could not stop any more, since they waited for one.
 *
 * So a rejection is handed on when the socket is closed, and queries that are made meanwhile wait for that.
 *
 * @param query any query of the driver, which need not run
 */
export function mendBrokenConnections(query: object): void {
  const driver = Object.getPrototypeOf(query) as DriverQuery;
  if (mended.has(driver)) return;
  const { handle } = driver;
  if (typeof handle !== 'function') throw new Error('The queries of the driver are not what they were.');
  mended.add(driver);

  // Called by every `then`; only the first one does something.
  driver.handle = function handleMended(this: DriverQuery) {
    if (this.executed) return handle.call(this);
    const closed = breaking.get(this.handler);
    if (closed) return closed.then(() => this.handle());
    const { reject } = this;
    this.reject = error => {
      if (isOfServer(error)) reject(error);
      else void breakingOf(this.handler).then(() => reject(error));
    };
    return handle.call(this);
  };
}

/** Resolves when a connection of the pool that has an error now is closed. */
function breakingOf(pool: object): Promise<void> {
  let closed = breaking.get(pool);
  if (!closed) {
    closed = passTurns(brokenConnectionLimits.turns).then(() => void breaking.delete(pool));
    breaking.set(pool, closed);
  }
  return closed;
}

async function passTurns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise(resolve => setImmediate(resolve));
}

/** An error that Postgres sent: its connection is as it was. */
function isOfServer(error: unknown): boolean {
  return error instanceof Error && error.name === 'PostgresError';
}
