import type { PoolOptions, Sql } from './pool.ts';
import type { Session } from './session.ts';
import { openSessionPool, type SessionPool } from './session-pool.ts';

/** Connections that run transactions and nothing else. */
export type Transactions = SessionPool;

/** Opens connections for transactions, each when first needed (4 at most by default). Close it at the end. */
export function openTransactions(options: PoolOptions): Transactions {
  return openSessionPool(options);
}

/**
 * Runs `fn` in a transaction and resolves with what it returns once that is committed. When `fn`
 * throws, everything is rolled back and its error is thrown on. Use only where one statement cannot
 * decide; do nothing but database work in it, and only through `tx`.
 * @param on connections from openTransactions, or a URL to connect to for this one transaction
 * @throws an error that isTransient (error.ts) knows when the connection is lost; when that happens
 *   while committing, it is not known whether the transaction took effect
 */
export async function transaction<T>(on: Transactions | string, fn: (tx: Sql) => Promise<T>): Promise<T> {
  const own =
    typeof on === 'string' ? openTransactions({ url: on, applicationName: 'claimline', max: 1 }) : undefined;
  const connections = own ?? (on as Transactions);
  try {
    const session = await connections.acquire();
    try {
      return await run(session, fn);
    } finally {
      connections.release(session);
    }
  } finally {
    await own?.close();
  }
}

async function run<T>({ sql, lost, alive, close }: Session, fn: (tx: Sql) => Promise<T>): Promise<T> {
  const scope = limitedTo(sql);
  try {
    await Promise.race([sql`begin`, lost]);
    const result = await Promise.race([fn(scope.tx), lost]);
    scope.end();
    const { command } = await Promise.race([sql`commit`, lost]);
    // Postgres answers the commit of a failed transaction by rolling it back, without an error.
    if (command !== 'COMMIT')
      throw new Error(
        'The transaction was rolled back: a query in it had failed and the error was swallowed.',
      );
    return result;
  } catch (error) {
    scope.end();
    if (alive()) await Promise.race([sql`rollback`, lost]).catch(close);
    throw error;
  }
}

/** A query that comes too late must not slip into the next transaction on the same connection. */
function limitedTo(sql: Sql): { tx: Sql; end(): void } {
  let over = false;
  function check() {
    if (over) throw new Error('A query was made through a transaction that is over.');
  }
  const tx = new Proxy(sql, {
    apply(target, self, args) {
      check();
      return Reflect.apply(target, self, args);
    },
    get(target, name) {
      check();
      return Reflect.get(target, name);
    },
  });
  return {
    tx,
    end() {
      over = true;
    },
  };
}
