import { isTransient } from '@claimline/db/error';
import { backoffMs, pause } from '@claimline/kernel/backoff';

export const patienceLimits = { retryBaseMs: 50, retryMostMs: 2000 } as const;

/** Thrown when the stop was asked for before something was over: nothing is known to have happened. */
export class InterruptedError extends Error {}

/** Repeats a statement while Postgres is away, until `signal` aborts: then an InterruptedError is thrown. */
export async function patiently<T>(signal: AbortSignal, statement: () => Promise<T>): Promise<T> {
  const { retryBaseMs: baseMs, retryMostMs: maxMs } = patienceLimits;
  for (let failures = 1; ; failures++) {
    try {
      return await statement();
    } catch (error) {
      if (!isTransient(error)) throw error;
      if (signal.aborted) throw new InterruptedError('stopped while Postgres was away', { cause: error });
      await pause(backoffMs(failures, { baseMs, maxMs }), signal);
    }
  }
}
