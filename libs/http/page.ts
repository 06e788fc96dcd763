import { AppError } from '@claimline/kernel/error';
import { z } from 'zod';

const pageLimits = { most: 1000, fallback: 100 } as const;

/** The query field for the size of a page; the document shows the number that people mean and not the text that is sent. */
function limitField() {
  const { most, fallback } = pageLimits;
  const text = `must be a whole number from 1 to ${most}`;
  return z
    .string()
    .regex(/^\d{1,5}$/, text)
    .transform(Number)
    .refine(limit => limit >= 1 && limit <= most, text)
    .default(fallback)
    .meta({ type: 'integer', minimum: 1, maximum: most });
}

/** Query fields of every list. */
export const pageQuery = {
  limit: limitField(),
  cursor: z.string().optional().describe('`next_cursor` of the page before.'),
};

/** An opaque cursor that carries the sort key of the last row. */
export function encodeCursor(key: string | number): string {
  return Buffer.from(JSON.stringify(key)).toString('base64url');
}

/** The sort key in a cursor; a 400 for anything that is not one of ours. */
export function decodeCursor(cursor: string | undefined, type: 'string'): string | null;
export function decodeCursor(cursor: string | undefined, type: 'number'): number | null;
export function decodeCursor(cursor: string | undefined, type: 'string' | 'number') {
  if (cursor === undefined) return null;
  try {
    const key: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
    const isPlain = type === 'number' ? Number.isSafeInteger(key) : !String(key).includes('\0');
    if (typeof key === type && isPlain) return key;
  } catch {}
  throw new AppError('invalid_request', 'invalid request: cursor is not a cursor of this list', {
    errors: [{ path: 'cursor', message: 'is not a cursor of this list' }],
  });
}

/** One page of a list: rows were read one beyond `limit` to know whether more follow. */
export function page<Row, Item>(
  rows: Row[],
  limit: number,
  keyOf: (row: Row) => string | number,
  toItem: (row: Row) => Item,
): { data: Item[]; next_cursor: string | null } {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  const next_cursor = rows.length > limit && last !== undefined ? encodeCursor(keyOf(last)) : null;
  return { data: shown.map(toItem), next_cursor };
}
