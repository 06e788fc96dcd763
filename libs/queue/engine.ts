import { withDeadline } from '@claimline/kernel/backoff';
import { type Job, type JobState, type Queue, UnrecoverableError, WaitingError, type Worker } from 'bullmq';
import { LRUCache } from 'lru-cache';
import type { Roster } from './roster.ts';

/**
 * The queue engine: lanes (a BullMQ queue each) on Redis or on Postgres. What differs between the
 * two is in redis-engine.ts and postgres-engine.ts; which one runs is chosen in open.ts.
 */
export type Engine = {
  readonly kind: 'redis' | 'postgres';
  /** Which lanes are wanted and who has them open. */
  readonly roster: Roster;
  /** Runs Lua beside the queue; null where there is no Redis. */
  readonly scripts: Scripts | null;
  /** Adds a job to a lane. A job of the same id that still exists makes this do nothing. */
  add(lane: string, job: NewJob): Promise<void>;
  /** Removes a job in whatever state it is, or finds that it is not there. False: somebody has it in hand, and it stays. */
  remove(lane: string, id: string): Promise<boolean>;
  /** Drops finished jobs that were kept long enough: BullMQ does so only when another one finishes. */
  clean(lane: string): Promise<void>;
  /** Removes a lane's queue with all of its jobs, for a lane that nobody adds to any more. */
  drop(lane: string): Promise<void>;
  /** Jobs of the lane that are neither completed nor failed. */
  countUndecided(lane: string): Promise<number>;
  /**
   * The data of the jobs that are neither completed nor failed, in no order. `isComplete` is false
   * when there were more than `limit` in one state. A job that changes its state meanwhile is seen,
   * unless it goes back to an earlier one.
   */
  listUndecided(lane: string, limit: number): Promise<{ jobs: unknown[]; isComplete: boolean }>;
  /** Starts taking the lane's jobs. */
  openLane(lane: string, options: LaneOptions): OpenLane;
  /** The lane's queue, for the board. */
  queue(lane: string): Queue;
  /** Resolves when the store answers. */
  ping(): Promise<void>;
  close(): Promise<void>;
};

export type NewJob = {
  id: string;
  name: string;
  data: unknown;
  /** Before all that wait, rather than behind them. */
  isFirst?: boolean;
};

/** A job as its handler sees it. */
export type LaneJob = { id: string; data: unknown };

export type LaneOptions = {
  /** The most jobs in hand at once. */
  inHand: number;
  /**
   * Works on one job; what it returns is kept with the job for the board. May run twice for one
   * job. Throws {@link Postponed} to hand the job back untouched, {@link Poison} to give up at
   * once; anything else is retried with backoff.
   */
  handle(job: LaneJob): Promise<unknown>;
  /** The job is in the failed set now and will not be retried by itself. */
  onDead(job: LaneJob, error: Error): Promise<void>;
  onError(error: Error): void;
};

export type OpenLane = {
  /** Takes no more jobs, and resolves when those in hand are done. */
  close(): Promise<void>;
  /** performance.now() of the last time a job was in hand. */
  readonly lastBusyMs: number;
};

/** Runs a Lua script by its digest. Keys of one call must share a hash tag (Redis Cluster). */
export type Scripts = {
  load(name: string, lua: string): (keys: string[], args: (string | number)[]) => Promise<unknown>;
};

/** The job goes back to its lane as if it had not been taken: no attempt is used up. */
export class Postponed extends Error {}

/** The job can never succeed: it goes to the failed set without further attempts. */
export class Poison extends UnrecoverableError {}

export const queueLimits = {
  /** Tries of a job that fails by surprise; then it stays in the failed set for an operator. */
  attempts: 5,
  retryBaseMs: 500,
  /** Share of a retry's delay that is random. */
  retryJitter: 0.5,
  /** Kept for the board. 100 full trains of 500 claims are about 7 MB a lane. */
  completedKept: { count: 100, age: 3600 },
  failedKept: { count: 5000, age: 7 * 24 * 3600 },
  /** A dead worker's jobs are taken over when the lock has run out and a check has seen it: 5.5 s at most. */
  lockMs: 4000,
  stalledCheckMs: 1500,
  /** A job that took its worker down this often is poison. */
  stalledMost: 20,
  /** After an error of the store a lane tries again after this (BullMQ's default is 15 s). */
  storeRetryMs: 1000,
  /** Queue objects kept in a process that adds jobs. */
  queuesOpen: 5000,
  /** Finished jobs of a lane dropped at once. */
  cleanMost: 1000,
  /** An `add` that is not acknowledged by then is answered 503. */
  addMs: 2000,
} as const;

/** In the order in which a job passes through them: read so, none slips by between two reads. */
const undecidedStates = ['delayed', 'prioritized', 'paused', 'wait', 'active'] as unknown as JobState[];

/** What an engine has to bring. */
export type Store = {
  kind: Engine['kind'];
  roster: Roster;
  scripts: Scripts | null;
  openQueue(lane: string): Queue;
  openWorker(...args: WorkerArguments): Worker;
  ping(): Promise<void>;
  close(): Promise<void>;
};
export type WorkerArguments = [
  lane: string,
  processor: (job: Job, token?: string) => Promise<unknown>,
  options: typeof workerOptions & { concurrency: number },
];

const workerOptions = {
  lockDuration: queueLimits.lockMs,
  stalledInterval: queueLimits.stalledCheckMs,
  maxStalledCount: queueLimits.stalledMost,
  runRetryDelay: queueLimits.storeRetryMs,
  removeOnComplete: queueLimits.completedKept,
  removeOnFail: queueLimits.failedKept,
};

/** Builds an engine on a store: everything here is the same on Redis and on Postgres. */
export function createEngine(store: Store, onError: (error: Error) => void): Engine {
  const queues = new LRUCache<string, Queue>({
    max: queueLimits.queuesOpen,
    dispose: queue => void queue.close().catch(onError),
  });

  function queue(lane: string): Queue {
    let found = queues.get(lane);
    if (!found) {
      found = store.openQueue(lane);
      // What happens to the connection that all share is said by itself, once, and not by up to 5,000 queues.
      found.on('error', () => {});
      queues.set(lane, found);
      found.waitUntilReady().catch(forget(lane, found));
    }
    return found;
  }

  /** A queue asks the store something when it is opened, and where that fails everything fails that it is asked, for ever. */
  function forget(lane: string, queue: Queue) {
    return (error: Error) => {
      if (queues.peek(lane) === queue) queues.delete(lane);
      onError(error);
    };
  }

  return {
    kind: store.kind,
    roster: store.roster,
    scripts: store.scripts,
    queue,

    async add(lane, job) {
      const added = queue(lane).add(job.name, job.data, {
        jobId: job.id,
        ...(job.isFirst && { lifo: true }),
        attempts: queueLimits.attempts,
        backoff: { type: 'exponential', delay: queueLimits.retryBaseMs, jitter: queueLimits.retryJitter },
        removeOnComplete: queueLimits.completedKept,
        removeOnFail: queueLimits.failedKept,
      });
      await withDeadline('the queue', queueLimits.addMs, added);
    },

    async remove(lane, id) {
      const removed = await withDeadline('the queue', queueLimits.addMs, queue(lane).remove(id));
      // Postgres says 0 of one that is not there, too.
      return removed !== 0 || !(await withDeadline('the queue', queueLimits.addMs, queue(lane).getJob(id)));
    },

    async clean(lane) {
      const { completedKept, failedKept, cleanMost } = queueLimits;
      await queue(lane).clean(completedKept.age * 1000, cleanMost, 'completed');
      await queue(lane).clean(failedKept.age * 1000, cleanMost, 'failed');
    },

    async drop(lane) {
      await queue(lane).obliterate({ force: true });
      queues.delete(lane);
    },

    async countUndecided(lane) {
      return queue(lane).getJobCountByTypes(...(undecidedStates as never[]));
    },

    async listUndecided(lane, limit) {
      const found = new Map<string, unknown>();
      let isComplete = true;
      for (const state of undecidedStates) {
        const jobs = await queue(lane).getJobs([state] as never[], 0, limit - 1, true);
        for (const job of jobs) if (job?.id) found.set(job.id, job.data);
        if (jobs.length >= limit) isComplete = false;
      }
      return { jobs: [...found.values()], isComplete };
    },

    openLane(lane, { inHand, handle, onDead, onError: onLaneError }) {
      let lastBusyMs = performance.now();
      let underWay = 0;
      const worker = store.openWorker(
        lane,
        async (job, token) => {
          underWay++;
          try {
            return await handle({ id: job.id ?? '', data: job.data });
          } catch (error) {
            if (!(error instanceof Postponed)) throw error;
            await job.moveToWait(token);
            throw new WaitingError();
          } finally {
            underWay--;
            lastBusyMs = performance.now();
          }
        },
        { ...workerOptions, concurrency: inHand },
      );
      worker.on('error', onLaneError);
      worker.on('failed', (job, error) => {
        const isDead =
          job && (error instanceof UnrecoverableError || job.attemptsMade >= (job.opts.attempts ?? 1));
        if (isDead) onDead({ id: job.id ?? '', data: job.data }, error).catch(onLaneError);
      });
      return {
        close: () => worker.close(),
        get lastBusyMs() {
          return underWay > 0 ? performance.now() : lastBusyMs;
        },
      };
    },

    ping: () => store.ping(),
    async close() {
      queues.clear();
      await store.close();
    },
  };
}
