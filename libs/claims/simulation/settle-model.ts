import type { Claim, Coupon, Refusal, Rows, Tables } from './tables.ts';

/** The parameters of settle.sql: coupon id, tickets, users, metadata, the coupon's name of then. */
export type SettleParameters = [
  couponId: string,
  tickets: string[],
  users: string[],
  metadata: (string | null)[],
  couponName: string,
];

type Outcome = [ticket: string, userId: string, kind: 'g' | 'r', ...rest: unknown[]];

/** What the batch did so far. */
type Run = { granted: Omit<Claim, 'id'>[]; refused: Refusal[] };

/**
 * What settle.sql does, said another way: claim by claim, where the statement works on sets.
 * settle-model.test.ts compares the two. Returns the payload, one text where the statement may cut it into
 * parts; null when the coupon changed between `seen`, the statement's snapshot, and now.
 */
export function settleModel(tables: Tables, seen: Rows, parameters: SettleParameters): string | null {
  const [couponId, tickets, users, , couponName] = parameters;
  // The lock shows the newest row, everything else is as the snapshot has it.
  const coupon = byId(tables.rows, couponId);
  if (coupon?.revision !== byId(seen, couponId)?.revision) return null;

  const nowMs = tables.clockMs();
  const name = coupon?.name ?? couponName;
  const run: Run = { granted: [], refused: [] };
  const decided = tickets.map((ticket, i) => {
    const userId = users[i] as string;
    const held = seen.claims.filter(claim => claim.couponName === coupon?.name && claim.userId === userId);
    return decide({ coupon, held, ticket, userId, seen, nowMs, run, couponId, name });
  });

  const claims = tables.draw(run.granted);
  const outcomes = decided.map(outcome => {
    const claim = claims.find(({ ticket }) => ticket === outcome[0]);
    if (claim) return outcome.with(4, claim.id);
    const [, userId, kind, reason, heldTicket, knownMs] = outcome;
    if (kind !== 'r' || reason !== 'already_claimed' || heldTicket !== null) return outcome;
    const own = claims.filter(one => one.userId === userId).map(one => one.ticket);
    return [...outcome.slice(0, 4), newest(own), knownMs];
  });
  const after = coupon && taken(coupon, claims.length);
  const payload = JSON.stringify({
    coupon: couponId,
    name,
    epoch: after?.epoch ?? null,
    claims_epoch: after?.claimsEpoch ?? null,
    revision: after?.revision ?? null,
    remaining: after?.remaining ?? null,
    at: nowMs,
    outcomes,
  });
  tables.commit(
    {
      ...(after && { coupon: after }),
      refusals: run.refused,
      notifications: [{ channel: 'claimline_settled', payload }],
    },
    claims,
  );
  return payload;
}

type Question = {
  coupon: Coupon | undefined;
  held: Claim[];
  ticket: string;
  userId: string;
  seen: Rows;
  nowMs: number;
  run: Run;
  couponId: string;
  name: string;
};

function decide({ coupon, held, ticket, userId, seen, nowMs, run, couponId, name }: Question): Outcome {
  const heldTicket = newest(held.map(claim => claim.ticket));
  const before = held.find(claim => claim.ticket === ticket);
  if (before) return [ticket, userId, 'g', before.sequence, before.id, held.length, before.atMs];
  const known = seen.refusals.get(ticket);
  if (known && known.reason !== 'failed')
    return [ticket, userId, 'r', known.reason, heldIf(known.reason, heldTicket), known.atMs];

  const own = run.granted.filter(claim => claim.userId === userId).length;
  const closed = closedNow(coupon, nowMs);
  const reason =
    held.length + own >= (coupon?.limit ?? 1)
      ? 'already_claimed'
      : (closed ?? (run.granted.length >= (coupon?.remaining ?? 0) ? 'sold_out' : null));
  if (reason !== null) {
    run.refused.push({ ticket, couponId, couponName: name, userId, reason, atMs: nowMs });
    return [ticket, userId, 'r', reason, heldIf(reason, heldTicket), null];
  }
  const ordinal = Math.max(0, ...held.map(claim => claim.ordinal)) + own + 1;
  const sequence = (coupon?.granted ?? 0) + run.granted.length + 1;
  run.granted.push({ userId, couponName: name, ordinal, sequence, ticket, atMs: nowMs });
  return [ticket, userId, 'g', sequence, null, held.length + own + 1];
}

/** Why the sale as a whole refuses, in settle's order. */
export function closedNow(coupon: Coupon | undefined, nowMs: number) {
  if (!coupon) return 'coupon_not_found';
  if (coupon.status === 'paused') return 'paused';
  if (coupon.status === 'ended' || (coupon.endsAtMs !== null && coupon.endsAtMs <= nowMs)) return 'ended';
  return coupon.startsAtMs !== null && coupon.startsAtMs > nowMs ? 'not_started' : null;
}

/** What fail.sql does: tickets of a dead job that have no outcome are kept as failed. */
export function failModel(
  tables: Tables,
  [couponId, couponName, tickets, users]: [string, string, string[], string[]],
): string | null {
  const { claims, refusals } = tables.rows;
  const atMs = tables.clockMs();
  const failed = tickets
    .map((ticket, i) => ({
      ticket,
      couponId,
      couponName,
      userId: users[i] as string,
      reason: 'failed',
      atMs,
    }))
    .filter(({ ticket }) => !refusals.has(ticket) && !claims.some(claim => claim.ticket === ticket));
  if (failed.length === 0) return null;
  const outcomes = failed.map(({ ticket, userId }) => [ticket, userId, 'f']);
  const payload = JSON.stringify({ coupon: couponId, name: couponName, at: atMs, outcomes });
  tables.commit({ refusals: failed, notifications: [{ channel: 'claimline_settled', payload }] }, []);
  return payload;
}

export function byId({ coupons }: Rows, id: string): Coupon | undefined {
  return [...coupons.values()].find(coupon => coupon.id === id);
}

function taken(coupon: Coupon, count: number): Coupon {
  return {
    ...coupon,
    remaining: coupon.remaining - count,
    granted: coupon.granted + count,
    claimed: coupon.claimed + count,
    revision: coupon.revision + 1,
  };
}

function heldIf(reason: string, heldTicket: string | null): string | null {
  return reason === 'already_claimed' ? heldTicket : null;
}

function newest(tickets: string[]): string | null {
  return [...tickets].sort().at(-1) ?? null;
}
