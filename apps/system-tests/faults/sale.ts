import { awaitUntil } from '../await-until.ts';
import { type ClaimClient, couponPath } from '../claim-client.ts';
import type { Stack } from '../stack.ts';
import type { Arena } from './arena.ts';

const settledWithinMs = 60_000;
/** A statement that was sent before a kill or a heal may begin after it. */
export const onItsWayMs = 100;
const settlementsSearched = 5_000;
let salesOpened = 0;

/** A coupon that the crowd claims. */
export interface Sale {
  name: string;
  id: string;
  /** Units of a short sale; a long one has more than will ever come. */
  amount: number;
  isShort: boolean;
  /** Whether each unit comes with a code. */
  hasBook: boolean;
  /** People who have come. */
  came: number;
}

/** Opens a sale; undefined while a store is away. A 5xx is for the caller, who finds it in the client's history. */
export async function openSale(
  { stack, finding }: Arena,
  client: ClaimClient,
  { amount, isShort, hasBook = false }: { amount: number; isShort: boolean; hasBook?: boolean },
): Promise<Sale | undefined> {
  salesOpened += 1;
  const name = `${isShort ? 'short' : 'long'} sale ${process.pid} ${salesOpened}`;
  const { status, text } = await client.create(name, amount);
  // 409: made by a request whose answer was lost.
  if (status !== 201 && status !== 409) {
    if (status < 500) finding(`a coupon could not be made: ${status} ${text}`);
    return undefined;
  }
  if (hasBook && !(await generateCodes(client, name, amount))) return undefined;
  const [row] = await stack.sql<{ id: string }[]>`select id from coupons where name = ${name}`;
  return row && { name, id: row.id, amount, isShort, hasBook, came: 0 };
}

/** With a key, so that codes are made once though a connection breaks. False while a store is away. */
async function generateCodes(client: ClaimClient, name: string, quantity: number): Promise<boolean> {
  const headers = { 'idempotency-key': encodeURIComponent(name) };
  const { status } = await client.post(`${couponPath(name)}/codes/generate`, { quantity }, headers);
  return status === 201;
}

/** When the first claim after `sinceMs` (Unix time) was settled, or undefined; one on its way at that time does not count. */
export async function settledAfter(stack: Stack, sale: Sale, sinceMs: number): Promise<number | undefined> {
  const [row] = await stack.sql<{ at: number | null }[]>`
    select (extract(epoch from min(created_at)) * 1000)::float8 as at
    from (
      select created_at from claims where coupon_name = ${sale.name}
      order by sequence desc limit ${settlementsSearched}
    ) newest
    where created_at > to_timestamp(${sinceMs}::float8 / 1000)`;
  return row?.at ?? undefined;
}

/** Awaits the first settlement after `sinceMs` and answers how long after it that was, in ms. */
export async function settledAgain(stack: Stack, sale: Sale, sinceMs: number): Promise<number> {
  const at = await awaitUntil(
    `the next settlement of ${sale.name}`,
    () => settledAfter(stack, sale, sinceMs + onItsWayMs),
    settledWithinMs,
  );
  return at - sinceMs;
}
