import { isStatementTimeout, isTransient, isUniqueViolation } from '@claimline/db/error';
import type { Sql } from '@claimline/db/pool';
import { sqlFile } from '@claimline/db/sql-file';
import { backoffMs, pause } from '@claimline/kernel/backoff';
import { StoppedError } from '@claimline/queue/settling-lane';
import { metrics } from '@claimline/telemetry/metrics';
import { LRUCache } from 'lru-cache';
import type { JobClaim } from './job.ts';
import { mergeSettled, parseSettled, type Settled } from './outcome.ts';

const wholeStatement = sqlFile(import.meta.url, './settle.sql');
/** What a coupon without a book needs, and no callbacks. The whole costs it 80 us more, which only a claim that is settled alone would notice. */
export const plainStatement = wholeStatement.replaceAll(/^--\{\n[\s\S]*?^--\}\n/gm, part =>
  part.replaceAll(/^(?!--\|).*\n|^--\|/gm, ''),
);
const failStatement = sqlFile(import.meta.url, './fail.sql');

export const settleLimits = {
  /** Runs of one batch that find the coupon changed under them; each means somebody else got on. */
  staleMost: 50,
  /** Coupons of which this process remembers that they have a book. */
  booksMost: 50_000,
  retryBaseMs: 50,
  retryMostMs: 2000,
} as const;

/**
 * Settings of the sessions that settle. No sequential scans: see "Plan" in settle.sql. One plan for all batches:
 * planning anew took 0.9 of the 1.3 ms that a batch of one costs Postgres, and 1,000 busy coupons are batches of one.
 */
export const settleSettings = { enable_seqscan: 'off', plan_cache_mode: 'force_generic_plan' } as const;

const books = new LRUCache<string, true>({ max: settleLimits.booksMost });

/** Claims of one coupon in line order. */
export type Batch = {
  couponId: string;
  couponName: string;
  claims: JobClaim[];
  /** Where a claim is to be granted with this code of the book or not at all, and who wants it so. */
  named?: Named;
};

/** A code by name, with the address and user agent of who wants it, for the audit. */
export type Named = { code: string; address: string | null; agent: string | null };

/**
 * Settles a batch and answers with its news. Waits for Postgres as long as
 * it is away, unless `signal` aborts: a connection that was cut after COMMIT was sent is no harm,
 * since a ticket that was decided gets the same answer again. A batch that takes too long is given up: a part of it
 * may be in time.
 *
 * @param sql a pool with sequential scans off (see settle.sql)
 */
export async function settle(sql: Sql, batch: Batch, signal: AbortSignal): Promise<Settled> {
  const { couponId, named } = batch;
  const callbacks = callbacksOf(batch);
  let failures = 0;
  let isWhole = named !== undefined || callbacks !== null || books.has(couponId);
  for (let stale = 0; stale <= settleLimits.staleMost; ) {
    const stopTimer = metrics.settleSeconds.startTimer();
    try {
      const rows = await sql.unsafe<{ payload: string }[]>(
        isWhole ? wholeStatement : plainStatement,
        isWhole ? [...parametersOf(batch), ...parametersOfNamed(named), callbacks] : parametersOf(batch),
        { prepare: true },
      );
      stopTimer();
      metrics.settleClaims.observe(batch.claims.length);
      if (rows.length > 0) return remember(mergeSettled(rows.map(row => parseSettled(row.payload))));
      metrics.settleAgain.inc({ why: 'stale' });
      stale++;
      isWhole = true;
    } catch (error) {
      if (isUniqueViolation(error)) {
        metrics.settleAgain.inc({ why: 'conflict' });
        stale++; // Somebody else wrote the same claim in this instant; now it can be seen.
        continue;
      }
      const isTooLarge = isStatementTimeout(error) && batch.claims.length > 1;
      if (isTooLarge || !isTransient(error)) throw error;
      if (signal.aborted) throw new StoppedError('stopped while Postgres was away', { cause: error });
      metrics.settleAgain.inc({ why: 'transient' });
      failures++;
      await pause(
        backoffMs(failures, { baseMs: settleLimits.retryBaseMs, maxMs: settleLimits.retryMostMs }),
        signal,
      );
    }
  }
  throw new Error(`the coupon changed ${settleLimits.staleMost} times under one settle`);
}

function remember(news: Settled): Settled {
  for (const decision of news.decisions.values())
    if (decision.status === 'granted' && decision.hasCode) books.set(news.couponId, true);
  return news;
}

/** Records that the tickets of a dead job failed (see fail.sql). */
export async function fail(sql: Sql, { couponId, couponName, claims }: Batch): Promise<void> {
  await sql.unsafe(failStatement, [
    couponId,
    couponName,
    claims.map(([ticket]) => ticket),
    claims.map(([, userId]) => userId),
  ]);
}

function parametersOf({ couponId, couponName, claims }: Batch) {
  return [
    couponId,
    claims.map(([ticket]) => ticket),
    claims.map(([, userId]) => userId),
    claims.map(([, , , metadata]) => metadata || null),
    couponName,
  ];
}

/** The callback addresses, one per ticket, or null where there are none at all. */
function callbacksOf({ claims }: Batch): (string | null)[] | null {
  const urls = claims.map(([, , , , url]) => url ?? null);
  return urls.every(url => url === null) ? null : urls;
}

function parametersOfNamed(named: Named | undefined) {
  return [named?.code ?? null, named?.address ?? null, named?.agent ?? null];
}
