import type { Arena } from './arena.ts';
import type { Person } from './person.ts';
import type { Sale } from './sale.ts';

const readAgain = 100;

type ClaimRow = { name: string; user: string; ticket: string | null; sequence: number; at: number };
type CouponRow = { name: string; amount: number; remaining: number; granted: number; claimed: number };

/**
 * Holds what the crowd was told against the tables, and the tables against themselves: grants within the
 * stock, one a person, sequences without gaps, every answer `granted` with its row and every row with
 * somebody who was told, `sold_out` only after the last unit was granted, and no answer changed.
 */
export async function checkTables(
  arena: Arena,
  sales: readonly Sale[],
  people: readonly Person[],
): Promise<void> {
  const { stack, row } = arena;
  const names = JSON.stringify(sales.map(sale => sale.name));
  const coupons = await stack.sql<CouponRow[]>`
    select name, amount, remaining_amount as remaining, granted_count::int as granted,
      claimed_count::int as claimed
    from coupons where name in (select jsonb_array_elements_text(${names}::text::jsonb))`;
  const claims = await stack.sql<ClaimRow[]>`
    select coupon_name as name, user_id as user, ticket, sequence::int,
      (extract(epoch from created_at) * 1000)::float8 as at
    from claims where coupon_name in (select jsonb_array_elements_text(${names}::text::jsonb)) order by coupon_name, sequence`;
  const refusals = await stack.sql<{ ticket: string; reason: string }[]>`
    select ticket, reason from refusals where coupon_name in (select jsonb_array_elements_text(${names}::text::jsonb))`;

  row.granted += claims.length;
  row.refused += people.filter(person => person.told?.status === 'refused').length;
  checkCoupons(arena, coupons, claims);
  checkTold(arena, people, claims, new Map(refusals.map(({ ticket, reason }) => [ticket, reason])));
  await checkCodes(arena, sales);
  await checkReadAgain(arena, people);
}

/** Where units come with codes, every claim has one of its own. */
async function checkCodes({ stack, finding }: Arena, sales: readonly Sale[]): Promise<void> {
  for (const { name } of sales.filter(({ hasBook }) => hasBook)) {
    const [counted] = await stack.sql`
      select count(*)::int as claims, count(distinct code)::int as codes, count(distinct claim_id)::int as holders
      from claims left join assignments on claim_id = claims.id where coupon_name = ${name}`;
    const { claims, codes, holders } = counted as unknown as Record<string, number>;
    if (codes !== claims || holders !== claims) finding(`"${name}": ${claims} claims, ${codes} codes`);
  }
}

function checkCoupons(arena: Arena, coupons: readonly CouponRow[], claims: readonly ClaimRow[]): void {
  for (const coupon of coupons) {
    const own = claims.filter(({ name }) => name === coupon.name);
    const say = (what: string) => arena.finding(`"${coupon.name}": ${what}; ${JSON.stringify(coupon)}`);
    if (own.length > coupon.amount) say(`${own.length} granted`);
    if (coupon.remaining !== coupon.amount - own.length) say('what remains is not the stock less the grants');
    if (coupon.granted !== own.length || coupon.claimed !== own.length) say('the counters are wrong');
    if (own.some(({ sequence }, index) => sequence !== index + 1)) say('the sequence has gaps');
    const doubled = own.length - new Set(own.map(({ user }) => user)).size;
    arena.row.doubled += doubled;
    if (doubled > 0) say(`${doubled} granted twice`);
  }
}

function checkTold(
  arena: Arena,
  people: readonly Person[],
  claims: readonly ClaimRow[],
  refusals: ReadonlyMap<string, string>,
): void {
  const byTicket = new Map(claims.map(claim => [claim.ticket, claim]));
  const lastAt = new Map(claims.map(({ name, at }) => [name, at]));
  const knowing = new Set<string>();
  const say = ({ user, sale, told }: Person, what: string) =>
    arena.finding(`${user} of "${sale.name}" ${what}; was told ${JSON.stringify(told)}`);

  for (const person of people) {
    const { told, sale, user } = person;
    if (told?.status === 'granted') {
      const stored = byTicket.get(told.ticket);
      knowing.add(`${user} ${sale.name}`);
      if (stored && stored.name === sale.name && stored.sequence === told.sequence) continue;
      arena.row.grantsLost += 1;
      say(person, `has ${stored ? 'another' : 'no'} row`);
    }
    if (told?.status === 'holds') knowing.add(`${user} ${sale.name}`);
    if (told?.status !== 'refused') continue;
    if (told.reason === 'already_claimed') knowing.add(`${user} ${sale.name}`);
    if (told.ticket && byTicket.has(told.ticket)) say(person, 'has a row all the same');
    if (told.ticket && refusals.get(told.ticket) !== told.reason) say(person, 'has no such refusal');
    if (told.reason === 'sold_out' && !((lastAt.get(sale.name) ?? 0) <= told.atMs))
      say(person, 'was refused before the last unit was granted');
  }
  const untold = claims.filter(
    ({ user, name }) => user.startsWith('person-') && !knowing.has(`${user} ${name}`),
  );
  if (untold.length > 0)
    arena.finding(`${untold.length} granted and never told, such as ${JSON.stringify(untold[0])}`);
}

/** Answers do not change once they are final: some of the tickets are read again. */
async function checkReadAgain({ stack, random, finding }: Arena, people: readonly Person[]): Promise<void> {
  const decided = people.filter(({ told }) => told && 'ticket' in told && told.ticket);
  const client = stack.client();
  for (const { user, told } of random.shuffled(decided).slice(0, readAgain)) {
    const { ticket, status } = told as { ticket: string; status: string };
    const { body, text } = await client.ticket(ticket);
    if (body.status !== status) finding(`${user} was told ${status} and now ${text}`);
  }
}
