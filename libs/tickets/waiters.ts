import { metrics } from '@claimline/telemetry/metrics';

export const waitersLimits = {
  /** Tickets whose outcomes are asked for at once. */
  askedMost: 500,
} as const;

/** Whoever waits for the outcome of a ticket, in this process. */
export type Waiters = {
  /** Whether somebody waits for it. */
  has(ticket: string): boolean;
  /** Resolves when the ticket is woken, after `waitMs`, or when `signal` aborts. Look again after it. */
  wait(ticket: string, waitMs: number, signal?: AbortSignal): Promise<void>;
  wake(ticket: string): void;
  /**
   * Wakes whose ticket is decided, where news may have gone unheard: the others wait for the rest of their time.
   * Where `findDecided` fails, those it was asked about are woken to see for themselves.
   *
   * @param findDecided answers which of these tickets are decided
   */
  wakeDecided(findDecided: (tickets: string[]) => Promise<Iterable<string>>): Promise<void>;
  /** Lets everybody go who waits, now and later: the process is stopping. */
  release(): void;
};

export function createWaiters(): Waiters {
  const waiting = new Map<string, Set<() => void>>();
  let released = false;

  function wake(ticket: string) {
    for (const resume of waiting.get(ticket) ?? []) resume();
  }
  return {
    has: ticket => waiting.has(ticket),
    wait(ticket, waitMs, signal) {
      if (released || signal?.aborted) return Promise.resolve();
      return new Promise(resolve => {
        const resumes = waiting.get(ticket) ?? new Set();
        waiting.set(ticket, resumes);
        metrics.waiters.inc();
        const timer = setTimeout(resume, waitMs);
        signal?.addEventListener('abort', resume, { once: true });
        function resume() {
          if (!resumes.delete(resume)) return;
          metrics.waiters.dec();
          clearTimeout(timer);
          signal?.removeEventListener('abort', resume);
          if (resumes.size === 0 && waiting.get(ticket) === resumes) waiting.delete(ticket);
          resolve();
        }
        resumes.add(resume);
      });
    },
    wake,
    async wakeDecided(findDecided) {
      const tickets = [...waiting.keys()];
      for (let at = 0; at < tickets.length; at += waitersLimits.askedMost) {
        const asked = tickets.slice(at, at + waitersLimits.askedMost);
        for (const ticket of await findDecided(asked).catch(() => asked)) wake(ticket);
      }
    },
    release() {
      released = true;
      for (const resumes of waiting.values()) for (const resume of resumes) resume();
    },
  };
}
