import { randomUUID } from 'node:crypto';
import { openPool, type Sql } from '@claimline/db/pool';
import { backoffMs, DeadlineError, pause, withDeadline } from '@claimline/kernel/backoff';
import { metrics } from '@claimline/telemetry/metrics';
import type { Attempt } from './attempt.ts';
import { setAside } from './set-aside.ts';
import { type Batch, toBatch, writeBatch } from './write-batch.ts';

export const usageLogLimits = {
  /** So many attempts are written at once... */
  batch: 100,
  /** ... or what has come together in this time. */
  everyMs: 5000,
  /** What came while a batch was written goes with the next one, as far as this. */
  batchMost: 2000,
  /** Attempts that wait in memory: about 100 MB, 700 MB if every text is as long as may be; 20 s at 12,000 a second. */
  waitingMost: 250_000,
  /** From here on what cannot be written is put aside at once, to keep room for what comes. */
  waitingHigh: 200_000,
  /** Attempts of one dead letter. */
  letterMost: 20_000,
  /** A batch that fails for so long is put aside, and the next one is tried. */
  giveUpMs: 120_000,
  retryBaseMs: 100,
  retryMostMs: 5000,
  /** A statement that waits longer for a lock fails, and is tried again. */
  lockMs: 5000,
  /** A statement without an answer for so long has failed, or has not: its number tells when it is sent again. */
  writeMs: 30_000,
  /** When the process stops: what is not written by then is put aside. */
  closeMs: 10_000,
  connections: 2,
} as const;

/** Takes down what was answered, beside the path of requests. */
export type UsageLog = {
  /** Takes an attempt, and neither waits nor throws. */
  record(attempt: Attempt): void;
  /** Attempts that are taken and not yet in a table. */
  backlog(): number;
  /** Writes or puts aside what is left; nothing is taken afterwards. */
  close(): Promise<void>;
};

/** `dataDir` takes what no database takes. `onError` hears of what is put aside or lost, and of failing tries. */
export type UsageLogOptions = {
  url: string;
  dataDir: string;
  onError: (error: Error) => void;
  /** Other limits than usual: less time to close in, or for tests that cannot wait. */
  limits?: Partial<Limits>;
};

type Limits = Record<keyof typeof usageLogLimits, number>;

/**
 * Opens the usage log of this process. Attempts are written in their order, one statement at a time; one that
 * fails is tried again until it is there, and is put aside (set-aside.ts) when that takes too long.
 */
export function openUsageLog({ url, dataDir, onError, ...options }: UsageLogOptions): UsageLog {
  const limits: Limits = { ...usageLogLimits, ...options.limits };
  const sql = openPool({
    url,
    applicationName: 'claimline validation log',
    max: limits.connections,
    statementTimeoutMs: limits.writeMs,
    lockTimeoutMs: limits.lockMs,
  });
  const closing = new AbortController();
  const writer = createWriter({ sql, dataDir, limits, onError, isPressed, signal: closing.signal });
  const waiting: Attempt[] = [];
  let inHand = 0;
  let dropped = 0;
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> | undefined;

  function isPressed() {
    return backlog() >= limits.waitingHigh;
  }

  function backlog() {
    return waiting.length + inHand;
  }

  function record(attempt: Attempt) {
    if (backlog() >= limits.waitingMost || closing.signal.aborted) return drop(1);
    waiting.push(attempt);
    if (waiting.length >= limits.batch) start();
    else timer ??= setTimeout(start, limits.everyMs);
  }

  function drop(count: number) {
    metrics.validationLogRows.inc({ fate: 'dropped' }, count);
    // Told by the next batch that gets through, and by the first one that is lost.
    if (dropped === 0) onError(new Error('the usage log is full: attempts are answered and not on record'));
    dropped += count;
  }

  function start() {
    clearTimeout(timer);
    timer = undefined;
    writing ??= writeAll().finally(() => {
      writing = undefined;
      if (waiting.length >= limits.batch) start();
      else if (waiting.length > 0) timer ??= setTimeout(start, limits.everyMs);
    });
  }

  /** Whatever is there when it begins, and full batches that have come together meanwhile. */
  async function writeAll() {
    do {
      const most = writer.isPuttingAside() ? limits.letterMost : limits.batchMost;
      const attempts = waiting.splice(0, most);
      inHand = attempts.length;
      const lost = await writer.deliver(attempts);
      inHand = 0;
      if (lost > 0) drop(lost);
      else if (dropped > 0) {
        onError(new Error(`${dropped} attempts are not on record: the usage log was full`));
        dropped = 0;
      }
    } while (waiting.length >= limits.batch || (closing.signal.aborted && waiting.length > 0));
  }

  return {
    record,
    backlog,
    async close() {
      closing.abort();
      while (waiting.length > 0 || writing) {
        start();
        await writing;
      }
      await sql.end({ timeout: 1 });
    },
  };
}

type WriterOptions = {
  sql: Sql;
  dataDir: string;
  limits: Limits;
  onError: (error: Error) => void;
  isPressed: () => boolean;
  /** Aborts when the process stops. */
  signal: AbortSignal;
};

/** Brings attempts into the database, one batch after the other, or puts them aside. */
function createWriter({ sql, dataDir, limits, onError, isPressed, signal }: WriterOptions) {
  let id: string = randomUUID();
  let number = 0;
  let lastFailure: Error | undefined;
  const late = new DeadlineError('the usage log, at the end of this process,', limits.closeMs);
  let isLate = false;
  const lateness = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => {
      setTimeout(() => {
        isLate = true;
        reject(late);
      }, limits.closeMs).unref();
    });
  });
  lateness.catch(() => {});

  /** There is no time to try, or no room to wait. */
  function isPuttingAside() {
    return isLate || (isPressed() && lastFailure !== undefined);
  }

  /** Answers how many were lost. */
  async function deliver(attempts: Attempt[]): Promise<number> {
    const batch = toBatch(id, ++number, attempts);
    const giveUpMs = performance.now() + limits.giveUpMs;
    for (let attempt = 1; ; attempt++) {
      if (isPuttingAside()) return putAside(batch, lastFailure ?? late);
      lastFailure = await tryToWrite(batch);
      if (!lastFailure) return 0;
      const isUnfit = isOfItsData(lastFailure);
      // Only a first try is known to have left nothing behind: a later one may follow one that did its work.
      if (isUnfit && attempt === 1 && attempts.length > 1) return deliverApart(attempts);
      if ((isUnfit && attempts.length === 1) || performance.now() > giveUpMs)
        return putAside(batch, lastFailure);
      if (attempt === 1) onError(lastFailure);
      const { retryBaseMs: baseMs, retryMostMs: maxMs } = limits;
      await pause(backoffMs(attempt, { baseMs, maxMs }), signal.aborted ? undefined : signal);
    }
  }

  async function tryToWrite(batch: Batch): Promise<Error | undefined> {
    const stopTimer = metrics.validationLogSeconds.startTimer();
    try {
      const write = withDeadline('the usage log', limits.writeMs, writeBatch(sql, batch));
      await Promise.race([write, lateness]);
      metrics.validationLogRows.inc({ fate: 'written' }, batch.attempts);
      stopTimer();
    } catch (error) {
      return error as Error;
    }
  }

  /** Something in it cannot be stored: by halves, until that is alone. */
  async function deliverApart(attempts: Attempt[]): Promise<number> {
    const middle = attempts.length >> 1;
    return (await deliver(attempts.slice(0, middle))) + (await deliver(attempts.slice(middle)));
  }

  async function putAside(batch: Batch, failure: Error): Promise<number> {
    try {
      const place = await setAside({ sql: isLate ? undefined : sql, dataDir }, batch, failure);
      // What is in a file may be in the log as well; no later batch of this writer may hide that.
      if (place === 'file') [id, number] = [randomUUID(), 0];
      metrics.validationLogRows.inc({ fate: 'put aside' }, batch.attempts);
      const what = `${batch.attempts} attempts could not be written and are put aside (${place})`;
      onError(new Error(`${what}: claimline validations dead-letters`, { cause: failure }));
      return 0;
    } catch (error) {
      onError(error as Error);
      return batch.attempts;
    }
  }

  return { deliver, isPuttingAside };
}

/** Errors of what is written, and not of who writes it or where: classes 22 and 23 of SQLSTATE. */
function isOfItsData(error: Error): boolean {
  return !(error instanceof DeadlineError) && /^2[23]/.test(String((error as { code?: unknown }).code));
}
