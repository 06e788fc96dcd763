import type { CouponFacts, Directory } from '@claimline/coupons';
import type { Changes } from '@claimline/db/changes';
import { pause } from '@claimline/kernel/backoff';
import { AppError } from '@claimline/kernel/error';
import type { Engine } from '@claimline/queue/engine';
import { createFeeder } from '@claimline/queue/feeder';
import { createPlatforms, type Track } from '@claimline/queue/platforms';
import { metrics } from '@claimline/telemetry/metrics';
import type { LineState } from '@claimline/tickets/line';
import { jobIdOf, type Tickets } from '@claimline/tickets/ticket';
import type { Candidate, Gate, Verdict } from './gate.ts';
import type { JobClaim, JobData } from './job.ts';
import { laneOf } from './lane-name.ts';
import type { LoadGate } from './load-gate.ts';
import type { Reason } from './outcome.ts';

/**
 * One person's wish for one unit. `fixed`: its ticket was issued and stored beforehand, so that the
 * next run of the same request, numbered from 1, finds by it what the one before did.
 */
export type Wish = {
  userId: string;
  /** As JSON text. */
  metadata: string | null;
  /** Where the outcome is told besides. */
  callbackUrl?: string | undefined;
  fixed?: { ticket: string; run: number } | undefined;
};

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
  /** Too many have waited in front of the gate for too long: not asked. */
  | { kind: 'overloaded' }
  | { kind: 'refused'; coupon: CouponFacts | null; reason: Reason; heldTicket: string | null };

/**
 * Whom a gate would refuse by what it knew of a coupon that has changed since, and that cannot be read anew just
 * now. Those who were let in by the same train keep their places.
 */
type Undecided = { kind: 'undecided'; error: unknown };

type Issued = Candidate & { createdAtMs: number };

export const trainLimits = {
  /** Claims in one train: one gate call and one job of at most about 75 kB, without what they bring along. */
  seats: 500,
  /** Characters of metadata and callback addresses in one train; 500 claims may bring 3,000,000. */
  luggageMost: 128_000,
  /** Trains caught by an outage of the store, whose places are made real when it is back. */
  lateMost: 1000,
  lateMs: 60_000,
  lateEveryMs: 100,
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
  /** The longest wait in front of the gate that may stand, in ms; see createPlatforms. */
  waitMostMs: number;
}) {
  const { directory, changes, gate, loadGate, engine, tickets, waitMostMs } = house;
  const platforms = createPlatforms({
    waitMostMs,
    seats: trainLimits.seats,
    load: { weigh: luggageOf, most: trainLimits.luggageMost },
    depart: leave,
  });
  let lateSteps = 0;
  const feeder = createFeeder(engine);

  async function leave(name: string, wishes: Wish[], track: Track): Promise<(Boarded | Undecided)[]> {
    const isCold = performance.now() - track.lastMs > trainLimits.coldMs;
    // Asked for now and waited for later, while the gate is asked.
    const barrier = isCold || track.isRefusing ? changes.barrier() : undefined;
    if (isCold) await barrier;
    return depart(name, wishes, track, barrier);
  }

  async function depart(
    name: string,
    wishes: Wish[],
    track: Track,
    barrier?: Promise<boolean>,
    round = 1,
  ): Promise<(Boarded | Undecided)[]> {
    if (round > trainLimits.roundsMost)
      throw new AppError('unavailable', 'the coupon keeps changing, try again', { retryAfterSeconds: 1 });
    const coupon = await directory.find(name);
    const boarded = coupon ? await pass(coupon, wishes, track) : wishes.map(() => unknownCoupon);
    if (!boarded) return depart(name, wishes, track, barrier, round + 1);

    // A refusal may rest on a coupon that was changed by hand an instant ago: hear the news first.
    if (boarded.some(isRefused)) await (barrier ?? changes.barrier());
    let now: CouponFacts | null | undefined;
    try {
      now = directory.peek(name);
      if (now === undefined) now = await directory.find(name);
    } catch (error) {
      return boarded.map(one => (isRefused(one) ? { kind: 'undecided', error } : one));
    }
    if (now?.id === coupon?.id && now?.epoch === coupon?.epoch) return boarded;
    // The refused ask again; where the coupon is another one now, so does everybody else.
    const again = boarded.map(one => isRefused(one) || now?.id !== coupon?.id);
    if (!again.includes(true)) return boarded;
    const askingAgain = wishes.filter((_, i) => again[i]);
    const later = await depart(name, askingAgain, track, undefined, round + 1).catch(error =>
      askingAgain.map(() => ({ kind: 'undecided', error }) as const),
    );
    return boarded.map((one, i) => (again[i] ? (later.shift() as Boarded | Undecided) : one));
  }

  /** Through the gate and into the queue. Null: the gate and the coupon did not agree, try again. */
  async function pass(coupon: CouponFacts, wishes: Wish[], track: Track): Promise<Boarded[] | null> {
    const { candidates, passed } = await admit(coupon, wishes, track);
    if (passed === 'stale') directory.forget(coupon.name);
    if (passed === 'load') await loadGate(coupon);
    if (passed === 'stale' || passed === 'load') return null;
    await enqueue(coupon, wishes, candidates, passed.verdicts);
    metrics.trainSize.observe(wishes.length);
    count(passed.verdicts);
    return passed.verdicts.map((verdict, i) =>
      toBoarded(coupon, candidates[i] as Issued, verdict, passed.line),
    );
  }

  /**
   * Where the last train was refused as a whole, the next is likely to be: it goes without tickets
   * first, which would be made, sent and thrown away.
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
    const createdAtMs = Math.round(nowMs ?? Date.now());
    const issued = tickets.issue(coupon.id, createdAtMs, wishes.length);
    const candidates = wishes.map(
      (wish, i) =>
        fixedFor(coupon, wish) ?? { userId: wish.userId, ticket: issued[i] as string, createdAtMs },
    );
    let passed: Awaited<ReturnType<Gate['admit']>>;
    try {
      passed = await gate.admit(coupon, candidates, nowMs);
    } catch (error) {
      // It may have let them in and only the answer was lost.
      if (!(await giveBack(coupon, candidates))) void later(() => addThoseInLine(coupon, wishes, candidates));
      throw error;
    }
    if (typeof passed !== 'string')
      track.isRefusing = passed.verdicts.every(verdict => verdict.kind === 'refused');
    return { candidates, passed };
  }

  /** A fixed ticket is of the coupon that was there then; where another one has its name now, it is of no use. */
  function fixedFor(coupon: CouponFacts, { userId, fixed }: Wish): Issued | null {
    const issued = fixed && tickets.read(fixed.ticket);
    return fixed && issued?.subjectId === coupon.id
      ? { userId, ticket: fixed.ticket, createdAtMs: issued.createdAtMs }
      : null;
  }

  async function enqueue(coupon: CouponFacts, wishes: Wish[], candidates: Candidate[], verdicts: Verdict[]) {
    const { claims, run } = claimsOf(wishes, candidates, verdicts);
    try {
      // Who joins a line asks for its lane too: that is how a line whose maker died wakes up.
      if (claims.length > 0 || verdicts.some(verdict => verdict.kind === 'joined'))
        await feeder.want(laneOf(coupon.id), coupon.name);
      if (claims.length > 0) await add(coupon, claims, run);
    } catch (error) {
      const isGivenBack = await giveBack(coupon, admittedOf(candidates, verdicts));
      if (!isGivenBack && claims.length > 0) void later(() => wantAndAdd(coupon, claims, run));
      throw unavailable(error);
    }
  }

  /** @param run which run of the first claim's request this is: the job of the one before may still be there */
  async function add(coupon: CouponFacts, claims: JobClaim[], run: number) {
    const [ticket, userId] = claims[0] as JobClaim;
    const data: JobData = { coupon: coupon.id, name: coupon.name, claims };
    await engine.add(laneOf(coupon.id), { id: jobIdOf(userId, ticket, run), name: coupon.name, data });
  }

  async function wantAndAdd(coupon: CouponFacts, claims: JobClaim[], run: number) {
    await engine.roster.want(laneOf(coupon.id), coupon.name);
    await add(coupon, claims, run);
  }

  /** False when the gate is away as well: then other processes may still let people join these places. */
  async function giveBack(coupon: CouponFacts, admitted: Candidate[]): Promise<boolean> {
    return gate.giveBack(coupon.id, admitted).then(
      () => true,
      () => false,
    );
  }

  /**
   * A place that somebody else may join has to become a real one: does `step` once the store is back.
   * What is not done in time, or dies with this process, is swept when the lane is quiet.
   */
  async function later(step: () => Promise<void>) {
    if (lateSteps >= trainLimits.lateMost) return;
    lateSteps++;
    const untilMs = performance.now() + trainLimits.lateMs;
    while (performance.now() < untilMs) {
      await pause(trainLimits.lateEveryMs);
      const isDone = await step().then(
        () => true,
        () => false,
      );
      if (isDone) break;
    }
    lateSteps--;
  }

  /** Adds the claims that a gate let in whose answer was lost: those who are in line with the ticket of then. */
  async function addThoseInLine(coupon: CouponFacts, wishes: Wish[], candidates: Candidate[]) {
    const looks = candidates.map(({ userId }) => ({ userId, ticket: '' }));
    const passed = await gate.admit(coupon, looks, undefined);
    if (typeof passed === 'string') return;
    const { claims, run } = claimsOf(wishes, candidates, passed.verdicts);
    if (claims.length > 0) await wantAndAdd(coupon, claims, run);
  }

  return {
    /** Boards the next train of the coupon, or hears that too many wait. Error: AppError `unavailable`. */
    async board(name: string, wish: Wish): Promise<Boarded> {
      try {
        const boarded = (await platforms.board(name, wish)) ?? overloaded;
        if (boarded.kind === 'undecided') throw boarded.error;
        return boarded;
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
    case 'joined': {
      const joined = verdict.ticket !== ticket;
      return {
        kind: 'queued',
        coupon,
        ticket: verdict.ticket,
        createdAtMs,
        joined,
        line: verdict.line,
        state,
      };
    }
    case 'full':
    case 'unticketed':
      return { kind: 'full', coupon, state };
    case 'refused':
      return { kind: 'refused', coupon, reason: verdict.reason, heldTicket: verdict.heldTicket };
  }
}

const overloaded: Boarded = { kind: 'overloaded' };
const unknownCoupon: Boarded = {
  kind: 'refused',
  coupon: null,
  reason: 'coupon_not_found',
  heldTicket: null,
};

function luggageOf({ metadata, callbackUrl }: Wish): number {
  return (metadata?.length ?? 0) + (callbackUrl?.length ?? 0);
}

function admittedOf(candidates: Candidate[], verdicts: Verdict[]): Candidate[] {
  return candidates.filter((_, i) => verdicts[i]?.kind === 'admitted');
}

/** What is added to the queue for these verdicts, and which run of its request the first claim is. */
function claimsOf(wishes: Wish[], candidates: Candidate[], verdicts: Verdict[]) {
  const claims: JobClaim[] = [];
  let run = 1;
  for (const [i, verdict] of verdicts.entries()) {
    const { userId, ticket } = candidates[i] as Candidate;
    const line = lineOf(verdict, ticket);
    if (line === null) continue;
    const { metadata, callbackUrl, fixed } = wishes[i] as Wish;
    if (claims.length === 0 && fixed) run = fixed.run;
    if (callbackUrl !== undefined) claims.push([ticket, userId, line, metadata ?? '', callbackUrl]);
    else claims.push(metadata === null ? [ticket, userId, line] : [ticket, userId, line, metadata]);
  }
  return { claims, run };
}

/**
 * The line number that a claim is added with, or null when it is not. A place with its own ticket is one
 * whose answer or maker was lost, perhaps before there was a job: it is added once more, which settle
 * bears, and goes first among those it is settled with.
 */
function lineOf(verdict: Verdict, ticket: string): number | null {
  if (verdict.kind === 'admitted') return verdict.line;
  return verdict.kind === 'joined' && verdict.ticket === ticket ? 0 : null;
}

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
