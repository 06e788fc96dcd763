import type { ClaimRow, Notes, RefusalRow, Tables } from './check-tables.ts';
import type { Person } from './person.ts';
import type { Sale } from './sale.ts';

const microseconds = 1000;

/** The tables by what a person can be found by. */
interface Index {
  claims: ReadonlyMap<string | null, ClaimRow>;
  refusals: ReadonlyMap<string, RefusalRow>;
  holders: ReadonlySet<string>;
  lastAt: ReadonlyMap<string, number>;
}

const key = (user: string, sale: string) => `${user} ${sale}`;

/**
 * Holds what people were told against the tables, and against what others were told: every answer has its
 * row, every row somebody who knows of it, and no two people were told one ticket.
 */
export function checkTold({ row, finding }: Notes, people: readonly Person[], tables: Tables): void {
  const index: Index = {
    claims: new Map(tables.claims.map(claim => [claim.ticket, claim])),
    refusals: new Map(tables.refusals.map(refusal => [refusal.ticket, refusal])),
    holders: new Set(tables.claims.map(({ user, name }) => key(user, name))),
    lastAt: new Map(tables.claims.map(({ name, at }) => [name, at])),
  };
  const knowing = new Set<string>();
  const owners = new Map<string, string>();
  for (const person of people) {
    const { user, sale, told } = person;
    const complaint = complaintOf(person, index);
    if (complaint !== undefined)
      finding(`${user} of "${sale.name}" ${complaint}; was told ${JSON.stringify(told)}`);
    if (isTheirs(person)) knowing.add(key(user, sale.name));
    if (told?.status !== 'granted') continue;
    if (complaint !== undefined) row.grantsLost += 1;
    const owner = owners.get(told.ticket);
    owners.set(told.ticket, user);
    if (owner === undefined || owner === user) continue;
    row.doubled += 1;
    finding(`${owner} and ${user} of "${sale.name}" were both told that ${told.ticket} is granted`);
  }
  const untold = tables.claims.filter(
    ({ user, name }) => user.startsWith('person-') && !knowing.has(key(user, name)),
  );
  if (untold.length > 0)
    finding(`${untold.length} granted and never told, such as ${JSON.stringify(untold[0])}`);
}

/** Whether the person was told that a unit is theirs. */
function isTheirs({ told }: Person): boolean {
  if (told?.status === 'refused') return told.reason === 'already_claimed';
  return told?.status === 'granted' || told?.status === 'holds';
}

/** What is wrong with what a person was told, as the end of a sentence about them. */
function complaintOf(
  { told, user, sale }: Person,
  { claims, refusals, holders, lastAt }: Index,
): string | undefined {
  const holds = holders.has(key(user, sale.name));
  switch (told?.status) {
    case 'holds':
      return holds ? undefined : 'has no row';
    case 'granted': {
      const stored = claims.get(told.ticket);
      if (!stored) return 'has no row';
      const isSame =
        stored.name === sale.name &&
        stored.user === user &&
        told.user === user &&
        stored.sequence === told.sequence &&
        stored.code === told.code;
      return isSame ? undefined : `has another row, ${JSON.stringify(stored)}`;
    }
    case 'refused': {
      if (claims.has(told.ticket)) return 'has a row all the same';
      const stored = refusals.get(told.ticket);
      const isSame =
        stored?.reason === told.reason &&
        stored.user === user &&
        told.user === user &&
        stored.name === sale.name;
      if (!isSame) return `has no such refusal but ${JSON.stringify(stored)}`;
      if (told.reason === 'already_claimed') return holds ? undefined : 'holds nothing';
      // When a settlement refused is in the table, whenever the ticket was read.
      return isSoldOut(told.reason, sale) ? undefined : 'was refused for no reason of this sale';
    }
    case 'turned away': {
      if (!isSoldOut(told.reason, sale)) return 'was turned away for no reason of this sale';
      const last = lastAt.get(sale.name) ?? Number.POSITIVE_INFINITY;
      return last <= told.atMs * microseconds
        ? undefined
        : 'was turned away before the last unit was granted';
    }
  }
  return undefined;
}

/** The crowd's sales are open all the time, and the long ones have more than anybody takes. */
const isSoldOut = (reason: string, sale: Sale) => reason === 'sold_out' && sale.isShort;

/**
 * Who was in line before another one even came is settled before them where one statement settles both, which
 * gives all its claims one time. For people of one line, whose claim was accepted the first time.
 */
export function checkLineOrder({ finding }: Notes, people: readonly Person[], { claims }: Tables): void {
  const places = new Map<string | null, NonNullable<Person['place']>>();
  for (const { told, place } of people)
    if (told?.status === 'granted' && place) places.set(told.ticket, place);
  let latest: { claim: ClaimRow; sentMs: number } | undefined;
  for (const claim of claims) {
    const place = places.get(claim.ticket);
    if (!place) continue;
    const isTogether = latest?.claim.name === claim.name && latest.claim.at === claim.at;
    if (latest && isTogether && place.acceptedMs < latest.sentMs)
      finding(
        `${claim.user} was in line before ${latest.claim.user} of "${claim.name}", and was settled after`,
      );
    if (!latest || !isTogether || place.sentMs > latest.sentMs) latest = { claim, sentMs: place.sentMs };
  }
}
