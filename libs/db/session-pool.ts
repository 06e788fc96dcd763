import type { PoolOptions } from './pool.ts';
import { openSession, type Session } from './session.ts';

export const sessionPoolLimits = {
  connections: 4,
  /** Callers that may wait for a connection, and how long. */
  waiting: 1000,
  waitMs: 5000,
} as const;

/** Connections that are lent to one user at a time. */
export type SessionPool = {
  /** @throws an error that isTransient (error.ts) knows when there is none in time */
  acquire(): Promise<Session>;
  release(session: Session): void;
  /** Closes what is not in use now, and the rest when it is released. */
  close(): Promise<void>;
};

/** Opens a pool of sessions, each connected when first needed; a lost one is replaced. Takes what openPool takes. */
export function openSessionPool(options: PoolOptions): SessionPool {
  const max = options.max ?? sessionPoolLimits.connections;
  const idle: Session[] = [];
  const waiting: ((session: Promise<Session>) => void)[] = [];
  let open = 0;
  let closed = false;

  async function connect(): Promise<Session> {
    open++;
    try {
      return await openSession(options);
    } catch (error) {
      open--;
      waiting.shift()?.(connect());
      throw error;
    }
  }

  async function acquire(): Promise<Session> {
    if (closed) throw closedError();
    for (let session = idle.pop(); session; session = idle.pop()) {
      if (session.alive()) return session;
      open--;
    }
    if (open < max) return connect();
    if (waiting.length >= sessionPoolLimits.waiting) throw busyError('Too many wait for a connection.');
    return new Promise((resolve, reject) => {
      const { waitMs } = sessionPoolLimits;
      const timer = setTimeout(() => {
        waiting.splice(waiting.indexOf(take), 1);
        reject(busyError(`No connection was free for ${waitMs} ms.`));
      }, waitMs);
      function take(session: Promise<Session>) {
        clearTimeout(timer);
        resolve(session);
      }
      waiting.push(take);
    });
  }

  function release(session: Session): void {
    if (closed) {
      void session.close();
      return;
    }
    const next = waiting.shift();
    if (session.alive()) {
      if (next) next(Promise.resolve(session));
      else idle.push(session);
      return;
    }
    open--;
    next?.(connect());
  }

  async function close(): Promise<void> {
    closed = true;
    for (const take of waiting.splice(0)) take(Promise.reject(closedError()));
    await Promise.all(idle.splice(0).map(session => session.close()));
  }
  return { acquire, release, close };
}

/** The codes are Postgres' and the driver's own for the same, so isTransient knows them. */
function busyError(message: string): Error {
  return Object.assign(new Error(message), { code: '53300' });
}

function closedError(): Error {
  return Object.assign(new Error('The connections are closed.'), { code: 'CONNECTION_ENDED' });
}
