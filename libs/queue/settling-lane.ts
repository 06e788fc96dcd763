import { createTrain } from '@claimline/kernel/train';
import { metrics } from '@claimline/telemetry/metrics';
import { type Engine, type LaneJob, type OpenLane, Poison, Postponed } from './engine.ts';

/** Thrown where the stop was asked for while a store was away: nothing is known to have happened. */
export class StoppedError extends Error {}

/**
 * A lane that settles its jobs single-file: ONE settle in flight. Jobs that arrive meanwhile are taken
 * together by the next one, in the order in which they came.
 *
 * @param inHand jobs in hand: with several API processes one settle takes the work of several
 * @param read a job's data; throws {@link Poison} for what is no job of this lane
 * @param settle answers in order what became of each job, or why not: {@link StoppedError} hands it back untouched
 * @param onDead told of a job that will not be tried again, if `read` took it
 */
export function openSettlingLane<Data, Summary>(
  lane: string,
  {
    engine,
    inHand,
    read,
    settle,
    onDead,
    onError,
  }: {
    engine: Engine;
    inHand: number;
    read: (data: unknown) => Data;
    settle: (jobs: Data[], signal: AbortSignal) => Promise<(Summary | Error)[]>;
    onDead: (data: Data) => Promise<void>;
    onError: (error: Error) => void;
  },
): OpenLane {
  const stop = new AbortController();
  const train = createTrain<Data, Summary | Error>({
    seats: inHand,
    depart: jobs => settle(jobs, stop.signal),
  });

  async function handle(job: LaneJob): Promise<Summary> {
    const summary = await train.board(read(job.data));
    if (summary instanceof StoppedError) throw new Postponed();
    if (summary instanceof Error) throw summary;
    return summary;
  }

  async function bury(job: LaneJob, error: Error) {
    metrics.jobsDead.inc();
    onError(error);
    const data = readOrNull(job.data);
    if (data !== null) await onDead(data);
  }

  function readOrNull(data: unknown): Data | null {
    try {
      return read(data);
    } catch (error) {
      if (error instanceof Poison) return null;
      throw error;
    }
  }

  const opened = engine.openLane(lane, { inHand, handle, onDead: bury, onError });
  return {
    close() {
      stop.abort();
      return opened.close();
    },
    get lastBusyMs() {
      return opened.lastBusyMs;
    },
  };
}
