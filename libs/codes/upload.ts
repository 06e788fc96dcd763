import type { Sql } from '@claimline/db/pool';
import { isPathStep } from '@claimline/http/fields';
import { AppError, type FieldError } from '@claimline/kernel/error';
import { codeLimits, toStored } from './code.ts';
import { storeCodes, storeLimits, tidyCodes } from './store.ts';

export const uploadLimits = {
  /** Codes in one upload. */
  codesMost: 1_000_000,
  /** Duplicates that the answer names. */
  duplicatesMost: 1000,
  /** Mistakes that the answer names. */
  faultsMost: 100,
} as const;

const BEYOND = `is beyond the ${uploadLimits.codesMost} codes of one upload`;
const NO_CODE = `must be 1 to ${codeLimits.lengthMost} printable ASCII characters without spaces`;

/** A code as it was given, and where: `codes.3`, `line 4`. With a fault that is known already, what is given is no code. */
export type GivenCode = { text: string; place: string; fault?: string };

/** What became of an upload; `duplicates` are the first of those that were skipped. */
export type Uploaded = { created: number; skipped: number; duplicates: string[] };

/**
 * The codes of a list that has come whole.
 * @throws AppError `invalid_request` naming those that are no codes, before anything is stored
 */
export function checkList(codes: unknown[]): Iterable<GivenCode> {
  if (codes.length > uploadLimits.codesMost)
    throw refuse([{ path: 'codes', message: `has more than ${uploadLimits.codesMost} codes` }]);
  const faults: FieldError[] = [];
  for (const given of listed(codes)) {
    const message = faultOf(given);
    if (message !== null) faults.push({ path: given.place, message });
    if (faults.length === uploadLimits.faultsMost) break;
  }
  if (faults.length > 0) throw refuse(faults);
  return listed(codes);
}

function* listed(codes: unknown[]): Generator<GivenCode> {
  for (const [i, code] of codes.entries())
    yield { text: typeof code === 'string' ? code : '', place: `codes.${i}` };
}

/**
 * Puts a list of codes into a coupon's book, as it is read: nothing but a batch is held in memory. What is
 * stored already is skipped, so an upload that broke off is simply sent again.
 *
 * @param codes as they were given, with where each stands, for the error
 * @param onBatch told after every batch
 * @param stopping ends it after a batch, with its reason
 * @throws AppError of storeCodes; of reading, or the reason of `stopping`, or `invalid_request` naming what is no code: what stands before it is
 *   stored then, and counted in the error
 */
export async function uploadCodes(
  sql: Sql,
  couponName: string,
  codes: AsyncIterable<GivenCode> | Iterable<GivenCode>,
  { onBatch, stopping }: { onBatch?: (uploaded: Uploaded) => void; stopping?: AbortSignal } = {},
): Promise<Uploaded> {
  const uploaded: Uploaded = { created: 0, skipped: 0, duplicates: [] };
  let batch: string[] = [];
  let seen = 0;

  async function store() {
    if (batch.length === 0) return;
    const added = new Set(await storeCodes(sql, { couponName, codes: [...new Set(batch)] }));
    uploaded.created += added.size;
    for (const code of batch) if (!added.delete(code)) note(code);
    batch = [];
    onBatch?.(uploaded);
  }

  function note(code: string) {
    uploaded.skipped++;
    if (uploaded.duplicates.length < uploadLimits.duplicatesMost) uploaded.duplicates.push(code);
  }

  try {
    for await (const given of codes) {
      const fault = seen === uploadLimits.codesMost ? BEYOND : faultOf(given);
      if (fault !== null) throw refuse([{ path: given.place, message: fault }]);
      if (batch.length === 0) stopping?.throwIfAborted();
      seen++;
      batch.push(toStored(given.text) as string);
      if (batch.length === storeLimits.batch) await store();
    }
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    await store();
    const { code, message, ...rest } = error.problem;
    const { created, skipped } = uploaded;
    throw new AppError(code, message, { ...rest, extra: { created, skipped }, cause: error });
  }
  await store();
  if (seen === 0) throw refuse([{ path: 'codes', message: 'must not be empty' }]);
  await tidyCodes(sql, uploaded.created);
  return uploaded;
}

function faultOf({ text, fault }: GivenCode): string | null {
  if (fault !== undefined) return fault;
  const code = toStored(text);
  if (code === null) return NO_CODE;
  return isPathStep(code) ? 'must not be . or ..' : null;
}

function refuse(errors: FieldError[]): AppError {
  const [first] = errors as [FieldError];
  return new AppError('invalid_request', `invalid request: ${first.path} ${first.message}`, { errors });
}
