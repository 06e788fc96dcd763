import type { CouponFacts, Directory } from '@claimline/coupons';
import type { Changes } from '@claimline/db/changes';
import { AppError } from '@claimline/kernel/error';
import { createTrain, type Train } from '@claimline/kernel/train';
import type { Engine } from '@claimline/queue/engine';
import { metrics } from '@claimline/telemetry/metrics';
import { LRUCache } from 'lru-cache';
import type { Candidate, Gate, Verdict } from './gate.ts';
import { laneOf } from './lane-name.ts';
import type { LineState } from './line.ts';
import type { LoadGate } from './load-gate.ts';
import type { Reason } from './outcome.ts';
import { jobIdOf, type Tickets } from './ticket.ts';

/** One person's wish for one unit. */
export type Wish = { userId: string; metadata: Record<string, unknown> | null };

/** What the gate and the queue made of a wish. */
export type Boarded =
  | {
      kind: 'queued';
      coupon: CouponFacts;
      ticket: string;
      joined: boolean;
      line: number | null;
      state: LineState;
    }
  | { kind: 'full'; coupon: CouponFacts; state: LineState }
  | { kind: 'refused'; coupon: CouponFacts | null; reason: Reason; heldTicket: string | null };

/** A claim in a job: ticket, person, line number, and metadata as JSON text where there is any. */
export type JobClaim = [ticket: string, userId: string, line: number, metadata?: string];
export type JobData = { coupon: string; name: string; claims: JobClaim[] };

export const trainLimits = {
  /** Claims in one train: one gate call and one job of at most about 75 kB. */
  seats: 500,
  /** Trains kept; a train is a small object a coupon. */
  trainsMost: 50_000,
  /** A lane is said to be wanted once in this time, not with every train. Shorter than its quiet time. */
  wantEveryMs: 1000,
  /** Rounds with a gate that is stale or has to load. */
  roundsMost: 5,
  /** After a pause as long as this a train first asks whether the coupon changed. */
  coldMs: 20,
} as const;

/**
 * The accepting side of a coupon: claims that arrive together pass the gate in one call, and the
 * admitted become one job. No Postgres once the gate knows the coupon, but for one thing: the first
 * train after a pause waits for the notifications already on their way (`changes.barrier`, 0.3 ms,
 * none at all while Postgres is down), so that a coupon changed by hand is honoured at once.
 */
export function createTrains(house: {
  directory: Directory;
  changes: Changes;
  gate: Gate;
  loadGate: LoadGate;
  engine: Engine;
  tickets: Tickets;
}) {
  const { directory, changes, gate, loadGate, engine, tickets } = house;
  const trains = new LRUCache<string, Train<Wish, Boarded>>({ max: trainLimits.trainsMost });
  const wantedAtMs = new LRUCache<string, number>({ max: trainLimits.trainsMost });

  function trainOf(name: string): Train<Wish, Boarded> {
    let train = trains.get(name);
    if (!train) {
      let lastMs = Number.NEGATIVE_INFINITY;
      train = createTrain<Wish, Boarded>({
        seats: trainLimits.seats,
        async depart(wishes) {
          if (performance.now() - lastMs > trainLimits.coldMs) await changes.barrier();
          try {
            return await depart(name, wishes);
          } finally {
            lastMs = performance.now();
          }
        },
      });
      trains.set(name, train);
    }
    return train;
  }

  async function depart(name: string, wishes: Wish[]): Promise<Boarded[]> {
    metrics.trainSize.observe(wishes.length);
    for (let round = 1; round <= trainLimits.roundsMost; round++) {
      const coupon = await directory.find(name);
      if (!coupon)
        return wishes.map(() => ({ kind: 'refused', coupon, reason: 'coupon_not_found', heldTicket: null }));
      const candidates = wishes.map(wish => ({ userId: wish.userId, ticket: tickets.issue(coupon.id) }));
      const passed = await gate.admit(coupon, candidates, changes.databaseNowMs());
      if (passed === 'stale') directory.forget(name);
      else if (passed === 'load') await loadGate(coupon);
      else {
        await enqueue(coupon, wishes, candidates, passed.verdicts);
        // Somebody replaced the coupon while this train was under way: nobody keeps a place in the old line.
        const now = directory.peek(name);
        if (now === undefined ? (await directory.find(name))?.id === coupon.id : now?.id === coupon.id)
          return passed.verdicts.map((verdict, i) =>
            toBoarded(coupon, candidates[i] as Candidate, verdict, passed.line),
          );
      }
    }
    throw new AppError('unavailable', 'the coupon keeps changing, try again', { retryAfterSeconds: 1 });
  }

  async function enqueue(coupon: CouponFacts, wishes: Wish[], candidates: Candidate[], verdicts: Verdict[]) {
    const claims: JobClaim[] = [];
    let hasJoined = false;
    for (const [i, verdict] of verdicts.entries()) {
      hasJoined ||= verdict.kind === 'joined';
      if (verdict.kind !== 'admitted') continue;
      const { userId, ticket } = candidates[i] as Candidate;
      const metadata = wishes[i]?.metadata;
      claims.push(
        metadata ? [ticket, userId, verdict.line, JSON.stringify(metadata)] : [ticket, userId, verdict.line],
      );
    }
    const [first] = claims;
    // Who joins a line asks for its lane too: that is how a line whose maker died wakes up.
    if (first || hasJoined) await want(coupon, candidates, verdicts);
    if (!first) return;
    const data: JobData = { coupon: coupon.id, name: coupon.name, claims };
    try {
      await engine.add(laneOf(coupon.id), { id: jobIdOf(first[1], first[0]), name: coupon.name, data });
    } catch (error) {
      await giveBack(coupon, candidates, verdicts);
      throw unavailable(error);
    }
  }

  async function want(coupon: CouponFacts, candidates: Candidate[], verdicts: Verdict[]) {
    const lane = laneOf(coupon.id);
    if (performance.now() - (wantedAtMs.get(lane) ?? Number.NEGATIVE_INFINITY) < trainLimits.wantEveryMs)
      return;
    try {
      await engine.roster.want(lane, coupon.name);
      wantedAtMs.set(lane, performance.now());
    } catch (error) {
      await giveBack(coupon, candidates, verdicts);
      throw unavailable(error);
    }
  }

  async function giveBack(coupon: CouponFacts, candidates: Candidate[], verdicts: Verdict[]) {
    const admitted = candidates.filter((_, i) => verdicts[i]?.kind === 'admitted');
    // Best effort: what stays is swept once the lane is quiet.
    await gate.giveBack(coupon.id, admitted).catch(() => {});
  }

  return {
    /** Boards the next train of the coupon. Errors: AppError `unavailable` or `overloaded`. */
    async board(name: string, wish: Wish): Promise<Boarded> {
      try {
        return await trainOf(name).board(wish);
      } catch (error) {
        throw error instanceof AppError ? error : unavailable(error);
      }
    },
  };
}

export type Trains = ReturnType<typeof createTrains>;

function toBoarded(coupon: CouponFacts, candidate: Candidate, verdict: Verdict, state: LineState): Boarded {
  switch (verdict.kind) {
    case 'admitted':
      metrics.claims.inc({ verdict: 'admitted' });
      return { kind: 'queued', coupon, ticket: candidate.ticket, joined: false, line: verdict.line, state };
    case 'joined':
      metrics.claims.inc({ verdict: 'joined' });
      return { kind: 'queued', coupon, ticket: verdict.ticket, joined: true, line: null, state };
    case 'full':
      metrics.claims.inc({ verdict: 'full' });
      return { kind: 'full', coupon, state };
    case 'refused':
      metrics.claims.inc({ verdict: verdict.reason });
      return { kind: 'refused', coupon, reason: verdict.reason, heldTicket: verdict.heldTicket };
  }
}

function unavailable(cause: unknown): AppError {
  return new AppError('unavailable', 'the queue cannot be reached, try again', {
    retryAfterSeconds: 1,
    cause,
  });
}
