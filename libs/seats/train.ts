import type { Changes } from '@claimline/db/changes';
import type { Directory } from '@claimline/db/directory';
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

export const trainLimits = {
  /** Requests in one train, which become one job. */
  seats: 200,
} as const;

type House = {
  directory: Directory<EventFacts>;
  maps: SeatMaps;
  changes: Changes;
  engine: Engine;
  tickets: Tickets;
  line: Line;
  /** The longest wait in front of the gate that may stand, in ms; see createPlatforms. */
  waitMostMs: number;
};

/**
 * The accepting side of an event: requests that arrive together pass the gate together, and those that it does
 * not refuse become one job. No query once the event is known here; who is refused first waits for the
 * notifications on their way (`changes.barrier`, shared by all), so that a seat that was just let go is not refused.
 */
export function createSeatTrains(house: House) {
  const { directory, maps, changes, engine, tickets, line, waitMostMs } = house;
  const platforms = createPlatforms({ waitMostMs, seats: trainLimits.seats, depart });
  const feeder = createFeeder(engine);

  async function depart(eventId: string, asked: Asked[]): Promise<Boarded[]> {
    let refusals = await look(eventId, asked);
    if (refusals.some(refusal => refusal !== null)) {
      await changes.barrier();
      refusals = await look(eventId, asked);
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
    refusals: (Refusal | null)[],
  ): Promise<Boarded[]> {
    const issued = event ? tickets.issue(event.id, nowMs(), asked.length) : [];
    const requests: JobRequest[] = [];
    let run = 1;
    const boarded = asked.map(({ userId, wish, fixed }, i): Boarded => {
      const refusal = refusals[i];
      if (!event || refusal) return { kind: 'refused', event, ...(refusal ?? gone) };
      const ticket = fixed?.ticket ?? (issued[i] as string);
      line.enter(ticket, userId);
      if (requests.length === 0) run = fixed?.run ?? 1;
      requests.push([ticket, userId, wish]);
      return { kind: 'queued', event, ticket };
    });
    if (event && requests.length > 0) await add(event, requests, run);
    return boarded;
  }

  async function add(event: EventFacts, requests: JobRequest[], run: number) {
    const [ticket, userId] = requests[0] as JobRequest;
    const data: JobData = { event: event.id, name: event.name, requests };
    try {
      await feeder.want(laneOf(event.id), event.name);
      await engine.add(laneOf(event.id), { id: jobIdOf(userId, ticket, run), name: event.name, data });
    } catch (cause) {
      for (const [lost] of requests) line.leave(lost);
      throw new AppError('unavailable', 'the queue cannot be reached, try again', {
        retryAfterSeconds: 1,
        cause,
      });
    }
  }

  const nowMs = () => Math.round(changes.databaseNowMs() ?? Date.now());

  return {
    /** Boards the next train of the event; null where too many wait for too long. Error: AppError `unavailable`. */
    board(eventId: string, asked: Asked): Promise<Boarded> | null {
      return platforms.board(eventId, asked);
    },
  };
}

export type SeatTrains = ReturnType<typeof createSeatTrains>;

const gone: Refusal = { reason: 'event_not_found', refused: null };

/** Counted by train: a counter's labels cost more than they tell, one by one. */
function count(boarded: Boarded[]) {
  const counts = new Map<string, number>();
  for (const one of boarded) {
    const verdict = one.kind === 'refused' ? one.reason : 'admitted';
    counts.set(verdict, (counts.get(verdict) ?? 0) + 1);
  }
  for (const [verdict, n] of counts) metrics.seatRequests.inc({ verdict }, n);
}
