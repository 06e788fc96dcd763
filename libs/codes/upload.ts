import type { Sql } from '@claimline/db/pool';
import { AppError } from '@claimline/kernel/error';
import { codeLimits, toStored } from './code.ts';
import { storeCodes, storeLimits, tidyCodes } from './store.ts';

export const uploadLimits = {
  /** Codes in one upload. */
  codesMost: 1_000_000,
  /** Duplicates that the answer names. */
  duplicatesMost: 1000,
} as const;

const NO_CODE = `must be 1 to ${codeLimits.lengthMost} printable ASCII characters without spaces`;

/** What became of an upload; `duplicates` are the first of those that were skipped. */
export type Uploaded = { created: number; skipped: number; duplicates: string[] };

/**
 * Puts a list of codes into a coupon's book, as it is read: nothing but a batch is held in memory. What is
 * stored already is skipped, so an upload that broke off is simply sent again.
 *
 * @param codes as they were given, with where each stands, for the error
 * @param onBatch told after every batch
 * @throws AppError of storeCodes; `invalid_request` naming what is no code, with the codes before it stored
 */
export async function uploadCodes(
  sql: Sql,
  couponName: string,
  codes: AsyncIterable<GivenCode> | Iterable<GivenCode>,
  onBatch: (uploaded: Uploaded) => void = () => {},
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
    onBatch(uploaded);
  }

  function note(code: string) {
    uploaded.skipped++;
    if (uploaded.duplicates.length < uploadLimits.duplicatesMost) uploaded.duplicates.push(code);
  }

  for await (const { text, place } of codes) {
    const code = toStored(text);
    if (code === null || seen === uploadLimits.codesMost) {
      await store(); // What stands before the mistake: so the answer can say where to go on.
      throw refuse(
        place,
        code === null ? NO_CODE : `is beyond the ${uploadLimits.codesMost} codes of one upload`,
      );
    }
    seen++;
    batch.push(code);
    if (batch.length === storeLimits.batch) await store();
  }
  await store();
  if (seen === 0) throw refuse('codes', 'must not be empty');
  await tidyCodes(sql, uploaded.created);
  return uploaded;
}

/** A code as it was given, and where: `codes.3`, `line 4`. */
export type GivenCode = { text: string; place: string };

function refuse(path: string, message: string): AppError {
  return new AppError('invalid_request', `invalid request: ${path} ${message}`, {
    errors: [{ path, message }],
  });
}
