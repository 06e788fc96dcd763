import { type Decision, parseSettled } from '../outcome.ts';
import { closedNow } from './settle-model.ts';
import type { Claim, Rows } from './tables.ts';

/** A promise that was broken. */
export class Broken extends Error {}

/** A claim whose caller waits: what settle could have said at any instant since. */
export type Asking = { name: string; userId: string; could: Set<string> };

/** Watches the tables and the answers, and remembers what was true when. */
export function createOracle(rows: () => Rows, clockMs: () => number) {
  /** Grants by coupon id in the order of their sequence, also those deleted by hand since. */
  const grants = new Map<string, Claim[]>();
  /** The line numbers with which a ticket was added to the queue: another one when it was added again. */
  const added = new Map<string, number[]>();
  /** Tickets whose job was taken away by hand or with the queue. */
  const jobless = new Set<string>();
  /** Until when the gate was emptied last: whoever had a place then, and no job yet, has neither. */
  let placesLostMs = Number.NEGATIVE_INFINITY;
  const finals = new Map<string, string>();
  /** Tickets whose claim was deleted by hand, its answer with it. */
  const deleted = new Set<string>();
  const asking = new Set<Asking>();
  const broken: Broken[] = [];
  const fail = (what: string) => void broken.push(new Broken(what));

  function whatSettleWouldSay({ name, userId }: Asking): string {
    const coupon = rows().coupons.get(name);
    const held = rows().claims.filter(one => one.couponName === name && one.userId === userId).length;
    if (coupon && held >= coupon.limit) return 'already_claimed';
    return closedNow(coupon, clockMs()) ?? (coupon?.remaining === 0 ? 'sold_out' : 'granted');
  }
  const lookAgain = () => {
    for (const one of asking) one.could.add(whatSettleWouldSay(one));
  };

  function committed(claims: Claim[]) {
    checkOrder(claims);
    for (const claim of claims) {
      const coupon = rows().coupons.get(claim.couponName);
      if (!coupon) return fail(`P1: a grant of ${claim.couponName}, which is not there`);
      const all = [...(grants.get(coupon.id) ?? []), claim];
      grants.set(coupon.id, all);
      if (claim.sequence !== all.length)
        fail(`P5: grant ${claim.sequence} of ${coupon.name} follows ${all.length - 1} others`);
      const own = rows().claims.filter(one => one.couponName === coupon.name && one.userId === claim.userId);
      if (own.length > coupon.limit)
        fail(`P2: ${claim.userId} has ${own.length} of ${coupon.name}, the limit is ${coupon.limit}`);
    }
    for (const coupon of rows().coupons.values()) {
      const count = grants.get(coupon.id)?.length ?? 0;
      if (count > coupon.amount) fail(`P1: ${count} granted of ${coupon.amount} of ${coupon.name}`);
      if (coupon.remaining !== coupon.amount - count)
        fail(`P1: ${coupon.remaining} left of ${coupon.name} with ${count} of ${coupon.amount} granted`);
    }
    lookAgain();
  }

  /** What somebody was told of a ticket, or every process by the tables. */
  function tell(ticket: string, decision: Decision) {
    if (decision.status === 'failed' || deleted.has(ticket)) return;
    const final =
      decision.status === 'granted' ? `granted ${decision.sequence}` : `refused ${decision.reason}`;
    const known = finals.get(ticket);
    if (known !== undefined && known !== final) fail(`P4: ${ticket} was ${known} and is ${final}`);
    finals.set(ticket, final);
  }

  /** P5, for grants of one batch, or of a sale of which nothing was lost or late. Who was added again goes first. */
  function checkOrder(granted: { ticket: string; sequence: number }[]) {
    const lines = granted
      .toSorted((one, other) => one.sequence - other.sequence)
      .flatMap(({ ticket }) => (added.get(ticket)?.length === 1 ? (added.get(ticket) as [number]) : []));
    const isKept = lines.every((line, i) => i === 0 || line > (lines[i - 1] as number));
    if (!isKept) fail(`P5: granted in the order of the line numbers ${lines}`);
  }

  return {
    broken,
    fail,
    grants,
    added,
    committed,
    tell,
    deleted,
    isFinal: (ticket: string) => finals.has(ticket) && !deleted.has(ticket),
    ask(name: string, userId: string): Asking {
      const one: Asking = { name, userId, could: new Set() };
      asking.add(one);
      one.could.add(whatSettleWouldSay(one));
      return one;
    },
    answered(one: Asking) {
      one.could.add(whatSettleWouldSay(one));
      asking.delete(one);
    },
    notified(payload: string) {
      for (const [ticket, decision] of parseSettled(payload).decisions) tell(ticket, decision);
    },
    checkOrder,
    /** What is deleted by hand takes its answers along; all of a coupon's when nobody is named. */
    willDelete(name: string, userId?: string) {
      for (const claim of rows().claims)
        if (claim.couponName === name && (userId === undefined || claim.userId === userId))
          deleted.add(claim.ticket);
    },
    onAdded(data: unknown) {
      for (const [ticket, , line] of claimsOf(data)) added.set(ticket, [...(added.get(ticket) ?? []), line]);
    },
    jobLost(data: unknown) {
      for (const [ticket] of claimsOf(data)) jobless.add(ticket);
    },
    placesLost() {
      placesLostMs = clockMs();
    },
    /** Whether a ticket's job, or the place that would have got one, was taken away. */
    wasTaken: (ticket: string, atMs: number) =>
      jobless.has(ticket) || (!added.has(ticket) && atMs <= placesLostMs),
  };
}

function claimsOf(data: unknown): [ticket: string, userId: string, line: number][] {
  return (data as { claims: [string, string, number][] }).claims;
}
