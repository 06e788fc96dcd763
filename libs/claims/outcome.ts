/** Why a claim was refused. The gate refuses with the same reasons, in the same order, as settle. */
export type Reason = 'already_claimed' | 'paused' | 'ended' | 'not_started' | 'sold_out' | 'coupon_not_found';

/**
 * What became of a person's claim. `held`: how many the person then has of this coupon. `code`, once it was
 * read: it travels in no notification, which everybody can hear who may connect to the database. `failed` is
 * no outcome but a surprise that an operator may retry.
 */
export type Decision = { couponName: string; userId: string; decidedAtMs: number } & (
  | { status: 'granted'; claimId: string; sequence: number; held: number; hasCode: boolean; code?: string }
  | { status: 'refused'; reason: Reason; heldTicket: string | null }
  | { status: 'failed' }
);

/** One settle statement's news about a coupon, as it travels through Postgres' notifications. */
export type Settled = {
  couponId: string;
  couponName: string;
  /**
   * null when the coupon is gone: then nothing else is known about it either. Also where a worker of a version without
   * claims epochs tells it: then the gate only frees places.
   */
  state: { epoch: number; claimsEpoch: number; revision: number; remaining: number } | null;
  /** By ticket. */
  decisions: Map<string, Decision>;
};

/** The channel that settle.sql and fail.sql notify. */
export const SETTLED_CHANNEL = 'claimline_settled';

type Payload = {
  coupon: string;
  name: string;
  epoch?: number | null;
  claims_epoch?: number | null;
  revision?: number | null;
  remaining?: number | null;
  at: number;
  outcomes: [ticket: string, userId: string, kind: 'g' | 'c' | 'r' | 'f', ...rest: unknown[]][];
};

/**
 * A payload of settle.sql or fail.sql as it came. An outcome becomes a {@link Decision} when somebody
 * asks for it (`decide`): in a stampede hardly anybody does, and what is remembered unread costs an API
 * process a third of what a decision does.
 */
export type News = Omit<Settled, 'decisions'> & {
  at: number;
  outcomes: Payload['outcomes'];
};

/** Reads a payload without looking at its outcomes. */
export function parseNews(text: string): News {
  const payload = JSON.parse(text) as Payload;
  const { coupon, name, epoch, claims_epoch: claimsEpoch, revision, remaining, at, outcomes } = payload;
  const isKnown =
    typeof epoch === 'number' &&
    typeof claimsEpoch === 'number' &&
    typeof revision === 'number' &&
    typeof remaining === 'number';
  const state = isKnown ? { epoch, claimsEpoch, revision, remaining } : null;
  return { couponId: coupon, couponName: name, state, at, outcomes };
}

/** One outcome of the news. */
export function decide(news: News, [, userId, kind, ...rest]: News['outcomes'][number]): Decision {
  return toDecision(news.couponName, userId, news.at, kind, rest);
}

/** The news with every outcome read. */
export function settledOf(news: News): Settled {
  const { couponId, couponName, state, outcomes } = news;
  const decisions = new Map(outcomes.map(outcome => [outcome[0], decide(news, outcome)]));
  return { couponId, couponName, state, decisions };
}

/** Reads a payload of settle.sql or fail.sql. */
export function parseSettled(text: string): Settled {
  return settledOf(parseNews(text));
}

/** The news of one statement, which come in parts, as one. */
export function mergeSettled(parts: Settled[]): Settled {
  const [first, ...others] = parts as [Settled, ...Settled[]];
  for (const part of others)
    for (const [ticket, decision] of part.decisions) first.decisions.set(ticket, decision);
  return first;
}

function toDecision(
  couponName: string,
  userId: string,
  nowMs: number,
  kind: 'g' | 'c' | 'r' | 'f',
  rest: unknown[],
): Decision {
  if (kind === 'f') return { couponName, userId, decidedAtMs: nowMs, status: 'failed' };
  if (kind === 'r') {
    const [reason, heldTicket, knownMs] = rest as [Reason, string | null, number | null];
    return { couponName, userId, decidedAtMs: knownMs ?? nowMs, status: 'refused', reason, heldTicket };
  }
  const [sequence, id, held, knownMs] = rest as [number, number, number, number?];
  const claimId = claimIdText(id);
  const decidedAtMs = knownMs ?? nowMs;
  return {
    couponName,
    userId,
    decidedAtMs,
    status: 'granted',
    claimId,
    sequence,
    held,
    hasCode: kind === 'c',
  };
}

/** A claim's id as clients see it. */
export function claimIdText(id: number): string {
  return `clm_${id}`;
}

/** The id in the text that clients see. */
export function claimIdOf(text: string): number {
  return Number(text.slice('clm_'.length));
}
