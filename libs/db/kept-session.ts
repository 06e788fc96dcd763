import { backoffMs, pause, withDeadline } from '@claimline/kernel/backoff';
import type { PoolOptions } from './pool.ts';
import { openSession, type Session } from './session.ts';

export const keptSessionLimits = {
  /** What makes a new session ready must be done by then, or the session is given up. */
  prepareMs: 5000,
  reconnectBaseMs: 50,
  reconnectMaxMs: 1000,
} as const;

export type KeptSession = {
  /** Gives up the session in use, because it does not answer; a new one is opened. */
  giveUp(reason: string): void;
  close(): Promise<void>;
};

/**
 * Keeps one session open: opens it in the background, and a new one whenever it is lost.
 * @param on.prepare makes a new session ready (LISTEN); after it, `on.up` is called, and `on.down`
 *   when that session is no more. `on.error` hears of every loss and every failed try.
 */
export function keepSession(
  options: PoolOptions,
  on: {
    prepare(session: Session): Promise<void>;
    up(session: Session): void;
    down(): void;
    error(error: unknown): void;
  },
): KeptSession {
  const stop = new AbortController();
  const stopped = new Promise<void>(resolve => {
    stop.signal.addEventListener('abort', () => resolve());
  });
  let giveUp: (reason: string) => void = () => {};
  let failures = 0;

  async function use(session: Session): Promise<void> {
    const given = new Promise<never>((_, reject) => {
      giveUp = reason => reject(new Error(reason));
    });
    const ends = [session.lost, given, stopped];
    try {
      await Promise.race([
        withDeadline('A new session', keptSessionLimits.prepareMs, on.prepare(session)),
        ...ends,
      ]);
      if (stop.signal.aborted) return;
      failures = 0;
      on.up(session);
      await Promise.race(ends);
    } finally {
      on.down();
      const closed = session.close();
      if (stop.signal.aborted) await closed;
    }
  }

  async function run(): Promise<void> {
    while (!stop.signal.aborted) {
      try {
        await use(await openSession(options));
      } catch (error) {
        if (stop.signal.aborted) return;
        on.error(error);
        const { reconnectBaseMs: baseMs, reconnectMaxMs: maxMs } = keptSessionLimits;
        await pause(backoffMs(++failures, { baseMs, maxMs }), stop.signal);
      }
    }
  }

  const running = run();
  return {
    giveUp: reason => giveUp(reason),
    async close() {
      stop.abort();
      await running;
    },
  };
}
