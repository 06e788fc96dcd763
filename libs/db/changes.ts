import { createDatabaseClock } from './database-clock.ts';
import { keepSession } from './kept-session.ts';
import type { Notice } from './pool.ts';
import type { Session } from './session.ts';
import { createSharedPing } from './shared-ping.ts';

export const changesLimits = {
  /** At most 500 pings a second, however many callers ask for a barrier. */
  pingMinIntervalMs: 2,
  pingTimeoutMs: 1000,
  /** A connection that has not answered for this long is given up: its other end may be gone without a word. */
  pingDeadMs: 5000,
  /** How often the connection and the database's clock are looked after when nobody asks. */
  pingEveryMs: 10_000,
} as const;

/** Notifications of Postgres, on one connection of their own. */
export type Changes = {
  /**
   * Calls `fn` with the payload of each notification on `channel`. Resolves when the subscription is
   * in effect, which is when Postgres is there. Nothing is delivered for the time a connection was
   * away: see onReconnect.
   */
  on(channel: string, fn: (payload: string) => void): Promise<void>;
  /**
   * Calls `fn` each time the subscriptions take effect anew, the first time included, before any later
   * notification and any true barrier. Whatever was remembered until then may be out of date.
   */
  onReconnect(fn: () => void): void;
  /**
   * True once the handlers have seen every notification whose commit was acknowledged, to whomever,
   * before this call. False, at once or within `pingTimeoutMs`, when that cannot be had now.
   */
  barrier(): Promise<boolean>;
  /** The database's clock in milliseconds since 1970, undefined until it was first heard. */
  databaseNowMs(): number | undefined;
  connected(): boolean;
  close(): Promise<void>;
};

export type ChangesOptions = {
  /** A direct connection: a pooler in transaction mode would swallow the notifications. */
  url: string;
  applicationName: string;
  onNotice?: (notice: Notice) => void;
  /** The connection was lost or could not be made (it will be tried again), or a handler threw. */
  onError: (error: unknown) => void;
  pingTimeoutMs?: number;
  pingMinIntervalMs?: number;
  pingDeadMs?: number;
};

type Channel = { handlers: ((payload: string) => void)[]; ready: Promise<void>; markReady: () => void };

/**
 * Opens the listening side; connects in the background and again whenever the connection is lost.
 *
 * Each connection is a session that lives once (session.ts), not the driver's `listen()`: that one
 * reconnects behind our back, so that a ping could be answered by a connection on which LISTEN has
 * not run yet, and it cannot give up a connection that went silent.
 */
export function openChanges(options: ChangesOptions): Changes {
  const channels = new Map<string, Channel>();
  const reconnectListeners: (() => void)[] = [];
  const clock = createDatabaseClock();
  let session: Session | undefined;
  /** The channels that the session in use was prepared with. */
  let listened = new Set<string>();

  /**
   * A commit wakes the listening sessions before it is acknowledged, and a session is sent what waits
   * for it before it is told that its query is done. So when a query is done that was sent after the
   * acknowledgement, the notifications have arrived.
   */
  async function ping(): Promise<void> {
    const sentMs = performance.now();
    const [row] = await session!.sql<[{ now_ms: number }]>`
      select extract(epoch from clock_timestamp())::float8 * 1000 as now_ms`;
    clock.observe(sentMs, performance.now(), row.now_ms);
  }

  const pings = createSharedPing({
    ping,
    minIntervalMs: options.pingMinIntervalMs ?? changesLimits.pingMinIntervalMs,
    timeoutMs: options.pingTimeoutMs ?? changesLimits.pingTimeoutMs,
    deadMs: options.pingDeadMs ?? changesLimits.pingDeadMs,
    onDead: () => kept.giveUp('The connection for notifications does not answer any more.'),
  });
  const heartbeat = setInterval(() => void pings.barrier(), changesLimits.pingEveryMs).unref();

  const kept = keepSession(
    { ...options, statementTimeoutMs: 0, onNotify: deliver },
    {
      async prepare(opened) {
        const names = [...channels.keys()];
        listened = new Set(names);
        if (names.length > 0) await listen(opened, names);
      },
      up(opened) {
        session = opened;
        for (const fn of reconnectListeners) guarded(fn);
        for (const [name, channel] of channels) void subscribe(opened, name, channel);
        pings.open();
        void pings.barrier();
      },
      down() {
        session = undefined;
        pings.close();
      },
      error: options.onError,
    },
  );

  /** When the session is lost meanwhile, the next one listens on this channel as on all others. */
  async function subscribe(to: Session, name: string, channel: Channel): Promise<void> {
    if (listened.has(name)) return channel.markReady();
    try {
      await Promise.race([listen(to, [name]), to.lost]);
      channel.markReady();
    } catch (error) {
      if (to.alive()) options.onError(error);
    }
  }

  function deliver(name: string, payload: string): void {
    for (const fn of channels.get(name)?.handlers ?? []) guarded(() => fn(payload));
  }

  function guarded(fn: () => void): void {
    try {
      fn();
    } catch (error) {
      options.onError(error);
    }
  }

  async function on(name: string, fn: (payload: string) => void): Promise<void> {
    const known = channels.get(name);
    if (known) {
      known.handlers.push(fn);
      return known.ready;
    }
    const channel = createChannel(fn);
    channels.set(name, channel);
    if (session) await subscribe(session, name, channel);
    return channel.ready;
  }

  return {
    on,
    onReconnect: fn => void reconnectListeners.push(fn),
    barrier: () => pings.barrier(),
    databaseNowMs: () => clock.nowMs(),
    connected: () => session !== undefined,
    close() {
      clearInterval(heartbeat);
      return kept.close();
    },
  };
}

async function listen({ sql }: Session, names: string[]): Promise<void> {
  await sql.unsafe(names.map(name => `listen "${name.replaceAll('"', '""')}"`).join('; '));
}

function createChannel(fn: (payload: string) => void): Channel {
  let markReady = () => {};
  const ready = new Promise<void>(resolve => {
    markReady = resolve;
  });
  return { handlers: [fn], ready, markReady };
}
