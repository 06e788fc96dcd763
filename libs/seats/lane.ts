import type { Sql } from '@claimline/db/pool';
import { type Engine, type OpenLane, Poison } from '@claimline/queue/engine';
import { openSettlingLane, StoppedError } from '@claimline/queue/settling-lane';
import { metrics } from '@claimline/telemetry/metrics';
import { eventOf, type JobData, type JobRequest, jobSchema } from './job.ts';
import { type Settled, settleGone, settleRequests } from './settle.ts';

export const laneLimits = {
  /** Jobs in hand: with several API processes one settle takes the requests of several jobs. */
  inHand: 16,
} as const;

/** An event's lane: settles its reservations single-file, in the order in which they came. */
export function openSeatLane(
  lane: string,
  { engine, sql, onError }: { engine: Engine; sql: Sql; onError: (error: Error) => void },
): OpenLane {
  const eventId = eventOf(lane) as string;

  function read(data: unknown): JobData {
    const parsed = jobSchema.safeParse(data);
    if (parsed.success && parsed.data.event === eventId) return parsed.data as JobData;
    throw new Poison(`not a job of this lane: ${parsed.error?.issues[0]?.message ?? 'of another event'}`);
  }

  async function settle(jobs: JobData[], signal: AbortSignal): Promise<(Settled | Error)[]> {
    const byTicket = new Map(jobs.flatMap(job => job.requests).map(request => [request[0], request]));
    try {
      const settled = await settleAll([...byTicket.values()], signal);
      return jobs.map(() => settled);
    } catch (error) {
      if (error instanceof StoppedError || jobs.length === 1) return jobs.map(() => error as Error);
      // One by one, so that a poisonous job harms nobody else.
      const each: (Settled | Error)[] = [];
      for (const job of jobs) each.push(...(await settle([job], signal)));
      return each;
    }
  }

  async function settleAll(requests: JobRequest[], signal: AbortSignal): Promise<Settled> {
    const settled = await settleRequests(sql, eventId, requests, signal);
    metrics.reservations.inc({ outcome: 'held' }, settled.held);
    metrics.reservations.inc({ outcome: 'refused' }, settled.refused);
    return settled;
  }

  return openSettlingLane(lane, {
    ...{ engine, inHand: laneLimits.inHand, read, settle, onError },
    onDead: ({ requests }) => settleGone(sql, eventId, requests, 'failed'),
  });
}
