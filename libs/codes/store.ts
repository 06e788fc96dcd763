import type { Sql } from '@claimline/db/pool';
import { sqlFile } from '@claimline/db/sql-file';
import { AppError } from '@claimline/kernel/error';
import { metrics } from '@claimline/telemetry/metrics';

const storeStatement = sqlFile(import.meta.url, './store.sql');

export const storeLimits = {
  /** Codes stored by one statement: it holds the coupon's lock for about a quarter of a second. */
  batch: 10_000,
  /** A run whose process has not stored a batch for so long is carried on by another. */
  leaseS: 15,
  /** From this many codes on the visibility map is written at once, else by the next autovacuum. */
  vacuumFrom: 10_000,
} as const;

/**
 * Stores a batch of codes and answers with those that were new.
 * @param codes in upper case, each once
 * @param runId the run that counts them
 * @throws AppError `coupon_not_found`; `coupon_has_claims` where units were granted without codes
 */
export async function storeCodes(
  sql: Sql,
  { couponName, codes, runId = null }: { couponName: string; codes: string[]; runId?: string | null },
): Promise<string[]> {
  const [row] = await sql.unsafe<{ is_found: boolean; is_open: boolean; added: string[] }[]>(
    storeStatement,
    [couponName, [...codes].sort(), runId, storeLimits.leaseS],
    { prepare: true },
  );
  if (!row?.is_found || !row.is_open) throw notOpen(row?.is_found ?? false);
  metrics.codesStored.inc(row.added.length);
  return row.added;
}

/** Throws what storeCodes would, before any work is done. */
export async function assertOpen(sql: Sql, couponName: string): Promise<void> {
  const [coupon] = await sql<{ is_open: boolean }[]>`
    select has_book or claimed_count = 0 as is_open from coupons where name = ${couponName}`;
  if (!coupon?.is_open) throw notOpen(coupon !== undefined);
}

function notOpen(isFound: boolean): AppError {
  if (!isFound) return new AppError('coupon_not_found', 'coupon not found');
  return new AppError(
    'coupon_has_claims',
    'units of this coupon were granted without codes, it cannot get a book',
  );
}

/**
 * Lets granting read the index alone: a page that is not known to be visible to all costs a look into the
 * table for each code, at random. 0.1 s for 1,000,000 codes; nothing depends on it.
 */
export async function tidyCodes(sql: Sql, added: number): Promise<void> {
  if (added >= storeLimits.vacuumFrom) await sql`vacuum codes`.catch(() => {});
}
