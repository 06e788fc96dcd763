import postgres from 'postgres';
import { watchConnections } from './broken-connections.ts';

/** What queries run on: a tagged template. int8 comes back as a number, timestamptz as a Date. */
export type Sql = ReturnType<typeof openPool>;

/** A notice of the server: its SQLSTATE and text. */
export type Notice = { code: string; message: string };

/**
 * The notice "there is already a transaction in progress". The driver's `begin()` can lose
 * acknowledged writes on a pool that also runs plain queries, and this is what it looks like from
 * outside, so count it. We have one transaction helper (transaction.ts) that cannot.
 */
export const nestedBeginCode = '25001';

export const poolLimits = {
  connections: 10,
  connectTimeoutSeconds: 5,
  statementTimeoutMs: 5000,
  lockTimeoutMs: 2000,
  idleInTransactionMs: 10_000,
  /** The driver would wait up to 20 s between tries to connect; after an outage we want to be back at once. */
  reconnectMaxMs: 1000,
  /** And before the first: each is a process that Postgres starts, and one that starts up itself refuses them all. */
  reconnectBaseMs: 100,
  /** A query that was not answered in its statement's time, that of a connection and this besides never will be. */
  answerSlackMs: 5000,
  /** Queries under way when a pool is closed have so long. The driver waits as long for a connection that broke and was not used since. */
  closeSeconds: 1,
} as const;

export type PoolOptions = {
  url: string;
  /** Shown in pg_stat_activity. */
  applicationName: string;
  /** The most connections; each is opened when first needed. */
  max?: number;
  /** 0 means no limit, here and below. */
  statementTimeoutMs?: number;
  lockTimeoutMs?: number;
  idleInTransactionMs?: number;
  connectTimeoutSeconds?: number;
  /**
   * False leaves out what the driver asks of every new connection, and with it arrays as parameters. A
   * connection that breaks while that is asked is an unhandled rejection of the driver's.
   */
  fetchTypes?: boolean;
  /** Other settings of the session, e.g. `{ synchronous_commit: 'on' }`. */
  settings?: Record<string, string>;
  onNotice?: (notice: Notice) => void;
  /** A connection was closed, by whichever side. */
  onClose?: () => void;
  /** A notification arrived. Only for a session (session.ts) that runs LISTEN; must not throw. */
  onNotify?: (channel: string, payload: string) => void;
};

/**
 * Opens a pool for single statements. Nothing connects before the first query; a query that finds no
 * Postgres fails within `connectTimeoutSeconds` (see isTransient in error.ts) and the next one tries
 * again. Never `begin` on it.
 */
export function openPool(options: PoolOptions) {
  const { onNotice, onClose, onNotify } = options;
  const connections = watchConnections();
  const sql = postgres(options.url, {
    max: options.max ?? poolLimits.connections,
    connect_timeout: options.connectTimeoutSeconds ?? poolLimits.connectTimeoutSeconds,
    backoff: reconnectSeconds,
    // Known to the driver, not to its types.
    ...({ socket: connections.socket } as object),
    fetch_types: options.fetchTypes ?? true,
    connection: {
      application_name: options.applicationName,
      // Texts, because the driver leaves out what is falsy and 0 is a setting here.
      statement_timeout: String(options.statementTimeoutMs ?? poolLimits.statementTimeoutMs) as never,
      lock_timeout: String(options.lockTimeoutMs ?? poolLimits.lockTimeoutMs) as never,
      idle_in_transaction_session_timeout: String(
        options.idleInTransactionMs ?? poolLimits.idleInTransactionMs,
      ) as never,
      ...options.settings,
    },
    types: {
      // Our int8 are counts, sequences and minor units: all far below 2^53.
      int8: { to: 20, from: [20], parse: Number, serialize: String },
    },
    onnotice: notice => onNotice?.({ code: notice.code ?? '', message: notice.message ?? '' }),
    ...(onClose && { onclose: () => onClose() }),
    ...(onNotify && ({ onnotify: onNotify } as object)),
  });
  const { statementTimeoutMs = poolLimits.statementTimeoutMs, connectTimeoutSeconds } = options;
  const connectMs = (connectTimeoutSeconds ?? poolLimits.connectTimeoutSeconds) * 1000;
  const deadlineMs = statementTimeoutMs + connectMs + poolLimits.answerSlackMs;
  connections.mend(sql`select`, statementTimeoutMs > 0 ? deadlineMs : undefined);
  return sql;
}

/** Ends a pool: queries under way may finish for `seconds`, then they fail. */
export function closePool(sql: Sql, seconds: number = poolLimits.closeSeconds): Promise<void> {
  return sql.end({ timeout: seconds });
}

function reconnectSeconds(attempt: number): number {
  return (
    (Math.min(poolLimits.reconnectMaxMs, poolLimits.reconnectBaseMs * 2 ** attempt) *
      (0.5 + Math.random() / 2)) /
    1000
  );
}
