import { metrics } from '@claimline/telemetry/metrics';

/** Whoever waits for the outcome of a ticket, in this process. */
export type Waiters = {
  /** Whether somebody waits for it. */
  has(ticket: string): boolean;
  /** Resolves when the ticket is woken, after `waitMs`, or when `signal` aborts. Look again after it. */
  wait(ticket: string, waitMs: number, signal?: AbortSignal): Promise<void>;
  wake(ticket: string): void;
  /** Lets everybody look again: there may be news that went unheard. */
  wakeAll(): void;
  /** Lets everybody go who waits, now and later: the process is stopping. */
  release(): void;
};

export function createWaiters(): Waiters {
  const waiting = new Map<string, Set<() => void>>();
  let released = false;

  function wake(ticket: string) {
    for (const resume of waiting.get(ticket) ?? []) resume();
  }
  function wakeAll() {
    for (const resumes of waiting.values()) for (const resume of resumes) resume();
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
    wakeAll,
    release() {
      released = true;
      wakeAll();
    },
  };
}
