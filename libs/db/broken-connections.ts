import { connect, type Socket } from 'node:net';

/*
 * What the driver (3.4.9) does when a connection breaks: it rejects the queries under way when the socket has an
 * error, and gives the connection up when the socket is closed, which is some turns of the event loop after it was
 * ended, and at the end of the same turn after an error. A query made in between goes to the dead socket. It
 * never settles, or what was to be written for it stays there and the connection cannot be made anew for five seconds,
 * and again. Whoever tries again at once makes such queries: workers that had lived through a crash of Postgres could not
 * stop any more, since they waited for one.
 *
 * So queries wait while a connection of their pool breaks, and rejections are handed on when it is closed.
 *
 * Nor does the driver ever give up a connection by itself. Where Postgres went away without a word (its host died, an
 * address moved) the kernel does so after a quarter of an hour; where it is a replica now, nobody does. So every query has
 * a deadline, and when one has passed the silent connections of its pool are closed; all are when Postgres only reads.
 */

/** What is used of the driver's queries (postgres/src/query.js). */
type DriverQuery = {
  executed: boolean;
  strings: readonly string[];
  args: unknown[];
  /** Of the pool, or of the reserved connection, that the query is for. */
  handler: object;
  resolve(answer: unknown): void;
  reject(error: unknown): void;
  handle(): Promise<void>;
};

/** Where the driver's options say that Postgres is. */
type Address = { host: string[]; port: number[]; path?: string | false | undefined };

export const brokenConnectionLimits = {
  /** Turns of the event loop after which a socket that had an error is closed, where the socket is not ours to watch: with TLS. */
  turns: 2,
  /** Queries wait no longer for a connection that breaks: one that cannot say goodbye may take very long. */
  breakingMs: 1000,
  /** When a deadline has passed, a connection on which nothing comes for so long is closed. */
  silenceMs: 1000,
} as const;

/** By pool, when the connections that break at this moment are closed. */
const breaking = new WeakMap<object, Promise<unknown>>();

/** How many queries of a pool may be unanswered, and after how many ms one fails; undefined for never. */
type Patience = { unansweredMost: number; deadlineMs: number | undefined };
/** The connections of a pool, and its queries that were not answered yet. */
type Watched = Patience & { sockets: Set<Socket>; unanswered: Set<DriverQuery>; isRenewed: boolean };
/** By pool, and by reserved connection. */
const watched = new WeakMap<object, Watched>();
const mended = new WeakSet<object>();

const readOnly = '25006';
const nothing = Object.assign(['select'], { raw: ['select'] });

/**
 * Watches the connections of a pool, and mends its queries.
 *
 * @returns `socket` for the driver's option of that name, and `mend` for a query of the pool, which need not run, with
 *   the ms after which a query fails as if its connection had been lost
 */
export function watchConnections() {
  let pool: object | undefined;
  const sockets = new Set<Socket>();
  return {
    socket({ host: hosts, port: ports, path }: Address): Socket {
      const [host, port] = [hosts[0] as string, ports[0] as number];
      const socket = path ? connect(path) : connect(port, host);
      const hold = () => {
        if (pool) holdQueries(pool, closeOf(socket));
      };
      socket.once('error', hold);
      socket.once('end', hold);
      // Not when one closes: with TLS the driver takes away all who listen.
      for (const one of sockets) if (one.destroyed) sockets.delete(one);
      sockets.add(socket);
      // The driver names them in its errors, and the host to the server of a TLS connection.
      return Object.assign(socket, { host, port });
    },
    mend(query: object, patience: Patience): void {
      const { handler } = query as DriverQuery;
      pool = handler;
      mendQueries(query as DriverQuery);
      watched.set(handler, { ...patience, sockets, unanswered: new Set(), isRenewed: false });
    },
  };
}

/** Has the queries of a reserved connection fail as those of its pool do. Neither query need run. */
export function watchReserved(ofReserved: object, ofPool: object): void {
  const pool = watched.get((ofPool as DriverQuery).handler);
  if (pool) watched.set((ofReserved as DriverQuery).handler, pool);
}

/** Fails what was not answered before a pool was ended: the driver forgets those that wait for a connection. `query` need not run. */
export function failUnanswered(query: object): void {
  for (const one of watched.get((query as DriverQuery).handler)?.unanswered ?? [])
    one.reject(Object.assign(new Error('The connections are closed.'), { code: 'CONNECTION_ENDED' }));
}

function mendQueries(query: DriverQuery): void {
  const driver = Object.getPrototypeOf(query) as DriverQuery;
  if (mended.has(driver)) return;
  const { handle } = driver;
  if (typeof handle !== 'function' || typeof query.handler !== 'function')
    throw new Error('The queries of the driver are not what they were.');
  mended.add(driver);

  // Called by every `then`; only the first one does something.
  driver.handle = function handleMended(this: DriverQuery) {
    if (this.executed) return handle.call(this);
    const closed = breaking.get(this.handler);
    if (closed) return closed.then(() => this.handle());
    const pool = watched.get(this.handler);
    if (pool && pool.unanswered.size >= pool.unansweredMost) {
      this.executed = true;
      this.reject(Object.assign(new Error('Too many queries wait for Postgres.'), { code: '53300' }));
      return Promise.resolve();
    }
    const { resolve, reject } = this;
    const timer = startDeadline(this);
    pool?.unanswered.add(this);
    const settle = () => {
      clearTimeout(timer);
      pool?.unanswered.delete(this);
    };
    this.resolve = answer => {
      settle();
      resolve(answer);
    };
    this.reject = error => {
      settle();
      if (isOfServer(error)) {
        if (error.code === readOnly) renew(this.handler, 0);
        reject(error);
      } else
        void holdQueries(this.handler, passTurns(brokenConnectionLimits.turns)).then(() => reject(error));
    };
    return handle.call(this);
  };
}

function startDeadline(query: DriverQuery): NodeJS.Timeout | undefined {
  const ms = watched.get(query.handler)?.deadlineMs;
  if (ms === undefined) return undefined;
  const fail = () => {
    // One that still waits for a connection is kept by the driver. It must not do then what was said to have failed.
    Object.assign(query, { strings: nothing, args: [] });
    query.reject(Object.assign(new Error(`Postgres did not answer within ${ms} ms.`), { code: 'ETIMEDOUT' }));
    renew(query.handler, brokenConnectionLimits.silenceMs);
  };
  return setTimeout(fail, ms).unref();
}

/** Closes the connections of a pool on which nothing comes within `silenceMs`; with 0 all. Others are made when needed. */
function renew(handler: object, silenceMs: number): void {
  const pool = watched.get(handler);
  if (!pool || pool.isRenewed) return;
  pool.isRenewed = true;
  const had = new Map([...pool.sockets].map(socket => [socket, socket.bytesRead]));
  const close = () => {
    for (const [socket, bytesRead] of had) {
      if (silenceMs > 0 && socket.bytesRead !== bytesRead) continue;
      holdQueries(handler, closeOf(socket));
      socket.destroy();
    }
  };
  if (silenceMs > 0) setTimeout(close, silenceMs).unref();
  else close();
  setTimeout(() => {
    pool.isRenewed = false;
  }, brokenConnectionLimits.silenceMs).unref();
}

function closeOf(socket: Socket): Promise<unknown> {
  return new Promise(resolve => {
    socket.once('close', resolve);
    setTimeout(resolve, brokenConnectionLimits.breakingMs).unref();
  });
}

/** Has the queries of the pool wait until `closed`, and until whatever they wait for already. */
function holdQueries(pool: object, closed: Promise<unknown>): Promise<unknown> {
  const all: Promise<unknown> = Promise.all([breaking.get(pool), closed]).then(() => {
    if (breaking.get(pool) === all) breaking.delete(pool);
  });
  breaking.set(pool, all);
  return all;
}

async function passTurns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise(resolve => setImmediate(resolve));
}

/** An error that Postgres sent: its connection is as it was. */
function isOfServer(error: unknown): error is Error & { code?: string } {
  return error instanceof Error && error.name === 'PostgresError';
}
