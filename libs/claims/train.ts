import type { CouponFacts, Directory } from '@claimline/coupons';
import type { Changes } from '@claimline/db/changes';
import { AppError } from '@claimline/kernel/error';
import { createTrain, type Train } from '@claimline/kernel/train';
import type { Engine } from '@claimline/queue/engine';
import { metrics } from '@claimline/telemetry/metrics';
import { LRUCache } from 'lru-cache';
import type { Candidate, Gate, Verdict } from './gate.ts';
import type { JobClaim, JobData } from './job.ts';
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
      createdAtMs: number;
      joined: boolean;
      line: number | null;
      state: LineState;
    }
  | { kind: 'full'; coupon: CouponFacts; state: LineState }
  | { kind: 'refused'; coupon: CouponFacts | null; reason: Reason; heldTicket: string | null };

/** What a coupon's trains remember of the last one. */
type Track = { lastMs: number; isRefusing: boolean };
type Issued = Candidate & { createdAtMs: number };

export const trainLimits = {
  /** Claims in one train: one gate call and one job of at most about 75 kB. */
  seats: 500,
  /**
   * The fuller a train was, the longer the next waits for company: fuller trains cost the queue, the
   * worker and Postgres less, and a train of fewer than 32 delays nobody.
   */
  paceMsPerClaim: 1 / 32,
  paceMsMost: 4,
  /** Trains kept; a train is a small object a coupon. */
  trainsMost: 50_000,
  /** A lane is said to be wanted once in this time, not with every train. Shorter than its quiet time. */
  wantEveryMs: 1000,
  /** Admissions whose job could not be added and that could not be given back either. */
  notAddedMost: 50_000,
  /** Rounds with a gate that is stale or has to load. */
  roundsMost: 5,
  /** After a pause as long as this a train first asks whether the coupon changed. */
  coldMs: 5,
} as const;

/**
 * The accepting side of a coupon: claims that arrive together pass the gate in one call, and the
 * admitted become one job. No Postgres once the gate knows the coupon, but for one thing, so that a
 * coupon changed by hand is honoured at once: the first train after a pause, and a train that has
 * somebody to refuse, waits for the notifications that are on their way (`changes.barrier`, 0.3 ms,
 * at most 500 a second for all trains, none while Postgres is away).
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
  const notAdded = new LRUCache<string, true>({ max: trainLimits.notAddedMost });
  const wantedAtMs = new LRUCache<string, number>({ max: trainLimits.trainsMost });

  function trainOf(name: string): Train<Wish, Boarded> {
    let train = trains.get(name);
    if (!train) {
      const track: Track = { lastMs: Number.NEGATIVE_INFINITY, isRefusing: false };
      train = createTrain<Wish, Boarded>({
        seats: trainLimits.seats,
        paceMs: size => Math.min(trainLimits.paceMsMost, size * trainLimits.paceMsPerClaim),
        async depart(wishes) {
          const isCold = performance.now() - track.lastMs > trainLimits.coldMs;
          // Asked for now and waited for later, while the gate is asked.
          const barrier = isCold || track.isRefusing ? changes.barrier() : undefined;
          if (isCold) await barrier;
          try {
            return await depart(name, wishes, track, barrier);
          } finally {
            track.lastMs = performance.now();
          }
        },
      });
      trains.set(name, train);
    }
    return train;
  }

  async function depart(
    name: string,
    wishes: Wish[],
    track: Track,
    barrier?: Promise<boolean>,
    round = 1,
  ): Promise<Boarded[]> {
    if (round > trainLimits.roundsMost)
      throw new AppError('unavailable', 'the coupon keeps changing, try again', { retryAfterSeconds: 1 });
    const coupon = await directory.find(name);
    const boarded = coupon ? await pass(coupon, wishes, track) : wishes.map(() => unknownCoupon);
    if (!boarded) return depart(name, wishes, track, barrier, round + 1);

    // A refusal may rest on a coupon that was changed by hand an instant ago: hear the news first.
    if (boarded.some(isRefused)) await (barrier ?? changes.barrier());
    const now = await lookAgain(name, coupon);
    if (now?.id === coupon?.id && now?.epoch === coupon?.epoch) return boarded;
    // The refused ask again; where the coupon is another one now, so does everybody else.
    const again = boarded.map(one => isRefused(one) || now?.id !== coupon?.id);
    if (!again.includes(true)) return boarded;
    const later = await depart(
      name,
      wishes.filter((_, i) => again[i]),
      track,
      undefined,
      round + 1,
    );
    return boarded.map((one, i) => (again[i] ? (later.shift() as Boarded) : one));
  }

  /** Through the gate and into the queue. Null: the gate and the coupon did not agree, try again. */
  async function pass(coupon: CouponFacts, wishes: Wish[], track: Track): Promise<Boarded[] | null> {
    const { candidates, passed } = await admit(coupon, wishes, track);
    if (passed === 'stale') directory.forget(coupon.name);
    if (passed === 'load') await loadGate(coupon);
    if (passed === 'stale' || passed === 'load') return null;
    await enqueue(coupon, wishes, candidates, passed.verdicts);
    count(passed.verdicts);
    return passed.verdicts.map((verdict, i) =>
      toBoarded(coupon, candidates[i] as Issued, verdict, passed.line),
    );
  }

  /**
   * Where the last train was refused as a whole, the next is likely to be: it goes without tickets
   * first, whose signatures are 4 % of a refusal.
   */
  async function admit(coupon: CouponFacts, wishes: Wish[], track: Track) {
    const nowMs = changes.databaseNowMs();
    if (track.isRefusing) {
      const candidates = wishes.map(({ userId }) => ({ userId, ticket: '', createdAtMs: 0 }));
      const passed = await gate.admit(coupon, candidates, nowMs);
      const isRefused =
        typeof passed !== 'string' && passed.verdicts.every(verdict => verdict.kind === 'refused');
      if (isRefused || typeof passed === 'string') return { candidates, passed };
    }
    const createdAtMs = Date.now();
    const candidates = wishes.map(({ userId }) => ({
      userId,
      ticket: tickets.issue(coupon.id, createdAtMs),
      createdAtMs,
    }));
    const passed = await gate.admit(coupon, candidates, nowMs);
    if (typeof passed !== 'string')
      track.isRefusing = passed.verdicts.every(verdict => verdict.kind === 'refused');
    return { candidates, passed };
  }

  /** The coupon as it is now, or `known` when that cannot be asked at this moment. */
  async function lookAgain(name: string, known: CouponFacts | null): Promise<CouponFacts | null> {
    const now = directory.peek(name);
    if (now !== undefined) return now;
    return directory.find(name).catch(() => known);
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
    for (const { ticket } of admitted) notAdded.set(ticket, true);
    try {
      await gate.giveBack(coupon.id, admitted);
      for (const { ticket } of admitted) notAdded.delete(ticket);
    } catch {
      // The gate is away as well. Nobody may join these; they go when they are met, or the lane is quiet.
    }
  }

  return {
    /** Whether the gate may hold this ticket although the queue does not have its claim. */
    isNotAdded: (ticket: string) => notAdded.has(ticket),

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

function toBoarded(
  coupon: CouponFacts,
  { ticket, createdAtMs }: Issued,
  verdict: Verdict,
  state: LineState,
): Boarded {
  switch (verdict.kind) {
    case 'admitted':
      return { kind: 'queued', coupon, ticket, createdAtMs, joined: false, line: verdict.line, state };
    case 'joined':
      return { kind: 'queued', coupon, ticket: verdict.ticket, createdAtMs, joined: true, line: null, state };
    case 'full':
    case 'unticketed':
      return { kind: 'full', coupon, state };
    case 'refused':
      return { kind: 'refused', coupon, reason: verdict.reason, heldTicket: verdict.heldTicket };
  }
}

const unknownCoupon: Boarded = {
  kind: 'refused',
  coupon: null,
  reason: 'coupon_not_found',
  heldTicket: null,
};

function isRefused(one: Boarded): boolean {
  return one.kind === 'refused';
}

/** Counted by train: a counter's labels cost as much as the gate itself, claim by claim. */
function count(verdicts: Verdict[]) {
  const counts = new Map<string, number>();
  for (const verdict of verdicts) {
    const name = verdict.kind === 'refused' ? verdict.reason : verdict.kind;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  for (const [verdict, n] of counts) metrics.claims.inc({ verdict }, n);
}

function unavailable(cause: unknown): AppError {
  return new AppError('unavailable', 'the queue cannot be reached, try again', {
    retryAfterSeconds: 1,
    cause,
  });
}
