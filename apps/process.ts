import { backoffMs, pause, withDeadline } from '@claimline/kernel/backoff';
import { type Closers, createClosers } from '@claimline/kernel/closers';
import { ConfigError } from '@claimline/kernel/config';
import { createLog, type Logger } from '@claimline/telemetry/log';
import { type Config, readConfig } from './config.ts';

/** What a process starts from. */
export type Setting = {
  config: Config;
  log: Logger;
  closers: Closers;
  /** Repeats a step of the start while a store is not there yet, with backoff, then gives up. */
  retry: <T>(what: string, step: () => Promise<T>) => Promise<T>;
};

/** A started process. `stop` finishes what was begun within the time; it throws when it could not. */
export type Running = { address?: string; stop(withinMs: number): Promise<void> };

const limits = {
  /** Tries of a step of the start: about half a minute in all. */
  startTries: 8,
  startRetryBaseMs: 1000,
  startRetryMostMs: 8000,
  /** Kept back from SHUTDOWN_TIMEOUT_SECONDS to close connections. */
  closeMs: 1000,
  /** A signal so soon after the first is the same one again: npm hands on what its whole group has been told. */
  sameSignalMs: 1000,
} as const;

/**
 * Runs a process from its settings to its end: starts it, tells a parent when it is ready, stops it
 * on SIGTERM, SIGINT or when the parent is gone, and exits 0 when everything was finished in time.
 * Another signal, later, ends it at once. Where nobody reads its log it kills itself in the end, since it cannot exit.
 */
export async function runProcess(service: string, start: (setting: Setting) => Promise<Running>) {
  const config = readConfigOrExit();
  const { log, flush } = createLog(service, config.LOG_LEVEL);
  const closers = createClosers((name, error) => log.warn({ err: error, closer: name }, 'closing failed'));
  const exit = async (code: number) => {
    if (await flush()) process.exit(code);
    // To exit would wait for the thread that writes, for as long as nobody reads.
    process.kill(process.pid, 'SIGKILL');
  };
  let running: Running | undefined;
  let stoppingSinceMs: number | undefined;

  function onSignal(signal: NodeJS.Signals) {
    if (stoppingSinceMs === undefined) void stop(signal);
    else if (performance.now() - stoppingSinceMs > limits.sameSignalMs) void exit(1);
  }

  async function stop(reason: string) {
    if (stoppingSinceMs !== undefined) return;
    stoppingSinceMs = performance.now();
    const totalMs = config.SHUTDOWN_TIMEOUT_SECONDS * 1000;
    setTimeout(() => {
      log.error('not finished in time');
      void exit(1);
    }, totalMs).unref();
    log.info({ reason }, 'stopping');
    try {
      await running?.stop(totalMs - limits.closeMs);
      await closers.close();
      log.info('stopped');
      await exit(0);
    } catch (error) {
      log.error({ err: error }, 'stopped, but not clean');
      await exit(1);
    }
  }

  async function retry<T>(what: string, step: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await step();
      } catch (error) {
        if (attempt === limits.startTries || !isStoreAway(error)) throw error;
        log.warn({ err: error, attempt }, `${what} is not there yet`);
        await pause(
          limits.startRetryBaseMs +
            backoffMs(attempt, { baseMs: limits.startRetryBaseMs, maxMs: limits.startRetryMostMs }),
        );
      }
    }
  }

  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  process.on('disconnect', () => void stop('the parent is gone'));
  process.on('unhandledRejection', error => log.error({ err: error }, 'unhandled rejection'));
  process.on('uncaughtException', error => {
    log.fatal({ err: error }, 'uncaught exception');
    void exit(1);
  });
  try {
    running = await start({ config, log, closers, retry });
    process.send?.({ ready: true, address: running.address });
  } catch (error) {
    if (stoppingSinceMs !== undefined) return;
    log.fatal({ err: error }, 'could not start');
    await flush();
    process.stderr.write(
      `${service} could not start: ${error instanceof Error ? error.message : String(error)}\n`,
    );
    await withDeadline('closing', limits.closeMs * 5, closers.close()).catch(() => {});
    await exit(1);
  }
}

/** The configuration, or the end of the process with what is wrong with it. */
export function readConfigOrExit(): Config {
  try {
    return readConfig();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(2);
  }
}

/** DATABASE_URL, which single processes need; only `npm start` brings its own Postgres. */
export function requireDatabaseUrl(config: Config): string {
  if (config.DATABASE_URL) return config.DATABASE_URL;
  throw new Error('DATABASE_URL is not set. `npm start` runs everything, with a Postgres of its own.');
}

function isStoreAway(error: unknown): boolean {
  const code = (error as { code?: string } | null)?.code ?? '';
  const message = error instanceof Error ? error.message : '';
  return (
    /^(?:E[A-Z]+|CONN\w+|CONNECT_TIMEOUT|57P0\d|08\w{3})$/.test(code) ||
    /Connection is closed|ECONN/.test(message)
  );
}
