import type { Sql } from '@claimline/db/pool';
import type { ClaimClient } from '../claim-client.ts';
import type { Arena } from './arena.ts';
import { checkLineOrder, checkTold } from './check-told.ts';
import type { Person } from './person.ts';
import type { Sale } from './sale.ts';

const readAgain = 100;

/** A claim of the sales, with the code that came with it; times are whole microseconds of Unix time. */
export interface ClaimRow {
  name: string;
  user: string;
  ticket: string | null;
  sequence: number;
  code: string | null;
  at: number;
}

export interface RefusalRow {
  name: string;
  user: string;
  ticket: string;
  reason: string;
  at: number;
}

export interface CouponRow {
  name: string;
  amount: number;
  remaining: number;
  granted: number;
  claimed: number;
}

/** What the tables say of some sales. Claims are in the order of their coupon and sequence. */
export interface Tables {
  coupons: readonly CouponRow[];
  claims: readonly ClaimRow[];
  refusals: readonly RefusalRow[];
}

/** What a check notes. */
export type Notes = Pick<Arena, 'row' | 'finding'>;

/**
 * Holds what the crowd was told against the tables, and the tables against themselves: grants within the
 * stock, one a person, sequences without gaps, every answer `granted` with its row and every row with
 * somebody who was told, `sold_out` only after the last unit was granted, and no answer changed.
 *
 * @param isOneLine whether all claims of a sale were in one line whose numbers never began anew
 */
export async function checkTables(
  arena: Arena,
  sales: readonly Sale[],
  people: readonly Person[],
  isOneLine: boolean,
): Promise<void> {
  const { stack, row, random } = arena;
  const tables = await readTables(stack.sql, sales);
  row.granted += tables.claims.length;
  row.refused += people.filter(
    ({ told }) => told?.status === 'refused' || told?.status === 'turned away',
  ).length;
  checkSales(arena, sales, tables);
  checkTold(arena, people, tables);
  if (isOneLine) checkLineOrder(arena, people, tables);
  await checkReadAgain(arena, random.shuffled(people).filter(hasTicket).slice(0, readAgain), stack.client());
}

const hasTicket = ({ told }: Person) => told?.status === 'granted' || told?.status === 'refused';

/** Reads what the tables say of these sales. */
export async function readTables(sql: Sql, sales: readonly Sale[]): Promise<Tables> {
  const wanted = JSON.stringify(sales.map(sale => sale.name));
  const coupons = await sql<CouponRow[]>`
    select name, amount, remaining_amount as remaining, granted_count::int as granted,
      claimed_count::int as claimed
    from coupons where name in (select jsonb_array_elements_text(${wanted}::text::jsonb))`;
  const claims = await sql<ClaimRow[]>`
    select coupon_name as name, claims.user_id as user, ticket, sequence::int, code,
      (extract(epoch from created_at) * 1000000)::float8 as at
    from claims left join assignments on claim_id = claims.id
    where coupon_name in (select jsonb_array_elements_text(${wanted}::text::jsonb))
    order by coupon_name, sequence`;
  const refusals = await sql<RefusalRow[]>`
    select coupon_name as name, user_id as user, ticket, reason,
      (extract(epoch from decided_at) * 1000000)::float8 as at
    from refusals where coupon_name in (select jsonb_array_elements_text(${wanted}::text::jsonb))`;
  return { coupons, claims, refusals };
}

/** Holds the tables against themselves. */
export function checkSales(
  { row, finding }: Notes,
  sales: readonly Sale[],
  { coupons, claims, refusals }: Tables,
): void {
  for (const { name, hasBook } of sales) {
    const coupon = coupons.find(one => one.name === name);
    const own = claims.filter(one => one.name === name);
    const say = (what: string) => finding(`"${name}": ${what}; ${JSON.stringify(coupon)}`);
    if (!coupon) {
      say('is gone');
      continue;
    }
    if (own.length > coupon.amount) say(`${own.length} granted`);
    if (coupon.remaining !== coupon.amount - own.length) say('what remains is not the stock less the grants');
    if (coupon.granted !== own.length || coupon.claimed !== own.length) say('the counters are wrong');
    if (own.some(({ sequence }, index) => sequence !== index + 1)) say('the sequence has gaps');
    const doubled = own.length - new Set(own.map(({ user }) => user)).size;
    row.doubled += doubled;
    if (doubled > 0) say(`${doubled} granted twice`);
    const codes = new Set(own.map(({ code }) => code).filter(code => code !== null)).size;
    if (codes !== (hasBook ? own.length : 0)) say(`${own.length} claims, ${codes} codes`);
    const lastAt = own.at(-1)?.at ?? Number.POSITIVE_INFINITY;
    const isEarly = (one: RefusalRow) => one.name === name && one.reason === 'sold_out' && one.at < lastAt;
    const early = refusals.filter(isEarly);
    if (early.length > 0)
      say(`${early.length} refused before the last unit was granted, such as ${JSON.stringify(early[0])}`);
  }
}

/** Answers do not change once they are final: these tickets are read again. */
export async function checkReadAgain(
  { finding }: Notes,
  people: readonly Person[],
  client: Pick<ClaimClient, 'ticket'>,
): Promise<void> {
  for (const { user, told } of people) {
    if (told?.status !== 'granted' && told?.status !== 'refused') continue;
    const { text } = await client.ticket(told.ticket);
    if (text !== told.text) finding(`${user} was told ${told.text} and now ${text}`);
  }
}
