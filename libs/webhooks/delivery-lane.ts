import { type Engine, type LaneJob, type OpenLane, Poison, Postponed } from '@claimline/queue/engine';
import { metrics } from '@claimline/telemetry/metrics';
import { z } from 'zod';
import type { Attempts } from './attempts.ts';
import type { DeliveryResult } from './deliver.ts';
import { InterruptedError } from './patience.ts';
import { type DeliveryJob, inQueueMost } from './queue-due.ts';

const jobSchema = z.object({ delivery: z.int(), run: z.int() });

/**
 * An endpoint's lane: its own queue, with as many attempts under way as an endpoint may have, in whichever
 * process has it open. So one that hangs keeps nobody waiting but itself.
 *
 * @param onRoom told when the queue has room again, now and then
 */
export function openDeliveryLane(
  queue: string,
  {
    engine,
    concurrency,
    deliver,
    attempts,
    onRoom,
    onError,
  }: {
    engine: Engine;
    concurrency: number;
    deliver: (job: DeliveryJob) => Promise<DeliveryResult>;
    attempts: Attempts;
    onRoom: () => void;
    onError: (error: Error) => void;
  },
): OpenLane {
  let inHand = 0;
  let done = 0;
  const halfOfRoom = Math.ceil(inQueueMost(concurrency) / 2);

  async function handle(job: LaneJob): Promise<DeliveryResult> {
    const parsed = jobSchema.safeParse(job.data);
    if (!parsed.success) throw new Poison(`not a delivery: ${parsed.error.issues[0]?.message}`);
    inHand++;
    try {
      return await deliver(parsed.data);
    } catch (error) {
      throw error instanceof InterruptedError ? new Postponed() : error;
    } finally {
      inHand--;
      done++;
      if (inHand === 0 || done % halfOfRoom === 0) onRoom();
    }
  }

  /** It is not tried any more, and listed as such. */
  async function onDead(job: LaneJob, error: Error) {
    metrics.jobsDead.inc();
    onError(error);
    const parsed = jobSchema.safeParse(job.data);
    if (!parsed.success) return;
    const loaded = await attempts.load(parsed.data.delivery);
    if (loaded === null) return;
    await attempts.record({
      ...parsed.data,
      verdict: 'exhausted',
      is_ours: true,
      number: loaded.attempts + 1,
      url: loaded.url,
      wait_ms: null,
      status_code: null,
      error: 'the attempt failed on our side',
      duration_ms: 0,
      body: '',
    });
  }

  return engine.openLane(queue, { inHand: concurrency, handle, onDead, onError });
}
