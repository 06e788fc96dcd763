import type { Changes } from '@claimline/db/changes';
import type { Directory } from '@claimline/db/directory';
import { pause } from '@claimline/kernel/backoff';
import { AppError } from '@claimline/kernel/error';
import type { Engine } from '@claimline/queue/engine';
import { createFeeder } from '@claimline/queue/feeder';
import { createPlatforms } from '@claimline/queue/platforms';
import { metrics } from '@claimline/telemetry/metrics';
import { jobIdOf, type Tickets } from '@claimline/tickets/ticket';
import type { EventFacts } from './facts.ts';
import { judge, type Refusal } from './gate.ts';
import { type JobData, type JobRequest, laneOf } from './job.ts';
import type { Line } from './line.ts';
import type { SeatMaps } from './seat-maps.ts';
import type { Wish } from './wish.ts';

/**
 * One person's request for seats. `fixed`: its ticket was issued and stored beforehand, so that the next run
 * of the same request, numbered from 1, finds by it what the one before did.
 */
export type Asked = { userId: string; wish: Wish; fixed?: { ticket: string; run: number } | undefined };

/** What the gate and the queue made of it. */
export type Boarded =
  | { kind: 'queued'; event: EventFacts; ticket: string }
  | ({ kind: 'refused'; event: EventFacts | null } & Refusal);

/** Whom the gate would refuse by what it remembers, while it cannot be told whether that is still so. */
type Undecided = { kind: 'undecided' };
const undecided: Undecided = { kind: 'undecided' };

export const trainLimits = {
  /** Requests in one train, which become one job. */
  seats: 200,
  /** Trains whose job could not be added, as far as was heard, that are taken back at once, and for how long it is tried. */
  lateMost: 1000,
  lateMs: 60_000,
  lateEveryMs: 1000,
  /** A job is looked for so often: an `add` may still be on its way when the store first says that it is not there. */
  lateLooks: 2,
} as const;

type House = {
  directory: Directory<EventFacts>;
  maps: SeatMaps;
  changes: Changes;
  engine: Engine;
  tickets: Tickets;
  line: Line;
  /** Lets go what requests with these tickets came to. */
  release: (tickets: string[]) => Promise<void>;
  /** The longest wait in front of the gate that may stand, in ms; see createPlatforms. */
  waitMostMs: number;
};

/**
 * The accepting side of an event: requests that arrive together pass the gate together, and those that it does
 * not refuse become one job. No query once the event is known here; who is refused first waits for the
 * notifications on their way (`changes.barrier`, shared by all), so that a seat that was just let go is not refused.
 */
export function createSeatTrains(house: House) {
  const { directory, maps, changes, engine, tickets, line, release, waitMostMs } = house;
  const platforms = createPlatforms({ waitMostMs, seats: trainLimits.seats, depart });
  const feeder = createFeeder(engine);
  let lateTrains = 0;

  async function depart(eventId: string, asked: Asked[]): Promise<(Boarded | Undecided)[]> {
    let refusals: (Refusal | Undecided | null)[] = await look(eventId, asked);
    if (refusals.some(refusal => refusal !== null)) {
      // Where news cannot be heard, a seat may have been let go since; who is not refused is let in all the same.
      if (await changes.barrier()) refusals = await look(eventId, asked);
      else refusals = refusals.map(refusal => refusal && undecided);
    }
    const event = await directory.find(eventId);
    const boarded = await board(event, asked, refusals);
    count(boarded);
    return boarded;
  }

  /** What the gate says to each. */
  async function look(eventId: string, asked: Asked[]): Promise<(Refusal | null)[]> {
    const event = await directory.find(eventId);
    if (!event) return asked.map(() => ({ reason: 'event_not_found', refused: null }));
    const map = await maps.find(eventId);
    const nowMs = changes.databaseNowMs();
    return asked.map(({ wish }) => judge(event, map, wish, nowMs));
  }

  async function board(
    event: EventFacts | null,
    asked: Asked[],
    refusals: (Refusal | Undecided | null)[],
  ): Promise<(Boarded | Undecided)[]> {
    const issued = event ? tickets.issue(event.id, nowMs(), asked.length) : [];
    const requests: JobRequest[] = [];
    /** Tickets that nobody will ever know if this fails. */
    const own: string[] = [];
    let run = 1;
    const boarded = asked.map(({ userId, wish, fixed }, i): Boarded | Undecided => {
      const refusal = refusals[i];
      if (refusal && 'kind' in refusal) return refusal;
      if (!event || refusal) return { kind: 'refused', event, ...(refusal ?? gone) };
      const ticket = fixed?.ticket ?? (issued[i] as string);
      if (!fixed) own.push(ticket);
      line.enter(event.id, ticket, userId);
      if (requests.length === 0) run = fixed?.run ?? 1;
      requests.push([ticket, userId, wish]);
      return { kind: 'queued', event, ticket };
    });
    if (event && requests.length > 0)
      try {
        await add(event, requests, { run, own });
      } catch (cause) {
        for (const [lost] of requests) line.drop(lost);
        throw unavailable('the queue cannot be reached, try again', cause);
      }
    return boarded;
  }

  async function add(
    event: EventFacts,
    requests: JobRequest[],
    { run, own }: { run: number; own: string[] },
  ) {
    const [ticket, userId] = requests[0] as JobRequest;
    const data: JobData = { event: event.id, name: event.name, requests };
    const lane = laneOf(event.id);
    const id = jobIdOf(userId, ticket, run);
    await feeder.want(lane, event.name);
    try {
      await engine.add(lane, { id, name: event.name, data });
    } catch (error) {
      void takeBack(lane, id, own);
      throw error;
    }
  }

  /**
   * A job may be there although its `add` failed: its answer was late, or lost. So that nobody holds seats who was told
   * that it failed, the job is removed once the store is back, and what was settled by then is let go. Under an
   * Idempotency-Key it is kept: the next run of the request finds it. What is not done in time, or dies with this
   * process, lapses with the hold.
   */
  async function takeBack(lane: string, id: string, own: string[]) {
    if (lateTrains >= trainLimits.lateMost) return;
    lateTrains++;
    const untilMs = performance.now() + trainLimits.lateMs;
    for (let looks = 0; looks < trainLimits.lateLooks && performance.now() < untilMs; ) {
      await pause(trainLimits.lateEveryMs);
      const isGone = await engine.remove(lane, id).catch(() => false);
      if (isGone && (await isDone(release(own)))) looks++;
    }
    lateTrains--;
  }

  const nowMs = () => Math.round(changes.databaseNowMs() ?? Date.now());

  return {
    /** Boards the next train of the event; null where too many wait for too long. Error: AppError `unavailable`. */
    async board(eventId: string, asked: Asked): Promise<Boarded | null> {
      const boarded = await platforms.board(eventId, asked);
      if (boarded?.kind === 'undecided')
        throw unavailable('it cannot be told just now whether these seats are free, try again');
      return boarded;
    },
  };
}

function unavailable(message: string, cause?: unknown): AppError {
  return new AppError('unavailable', message, { retryAfterSeconds: 1, cause });
}

const isDone = (work: Promise<unknown>) =>
  work.then(
    () => true,
    () => false,
  );

export type SeatTrains = ReturnType<typeof createSeatTrains>;

const gone: Refusal = { reason: 'event_not_found', refused: null };

/** Counted by train: a counter's labels cost more than they tell, one by one. */
function count(boarded: (Boarded | Undecided)[]) {
  const counts = new Map<string, number>();
  for (const one of boarded) {
    const verdict = verdictOf(one);
    counts.set(verdict, (counts.get(verdict) ?? 0) + 1);
  }
  for (const [verdict, n] of counts) metrics.seatRequests.inc({ verdict }, n);
}

function verdictOf(one: Boarded | Undecided) {
  if (one.kind === 'refused') return one.reason;
  return one.kind === 'queued' ? 'admitted' : one.kind;
}
