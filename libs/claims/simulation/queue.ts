import { nowMs } from './clock.ts';

/** A job as BullMQ keeps it. */
export type Job = {
  id: string;
  name: string;
  data: unknown;
  attempts: number;
  state: 'wait' | 'active' | 'delayed' | 'completed' | 'failed';
  token: string;
  lockedUntilMs: number;
  attemptsMade: number;
  stalled: number;
};

type Lane = { jobs: Map<string, Job>; wait: string[]; wakes: Set<() => void> };

/**
 * A model of what BullMQ promises of its queues: an add whose job id exists does nothing, jobs are taken in
 * order, each is delivered at least once, and a dead worker's jobs go back to the head when their lock is
 * over. Everything happens at one instant; queue-ports.ts puts the network in between.
 */
export function createQueueModel() {
  const lanes = new Map<string, Lane>();

  function laneOf(name: string): Lane {
    let lane = lanes.get(name);
    if (!lane) {
      lane = { jobs: new Map(), wait: [], wakes: new Set() };
      lanes.set(name, lane);
    }
    return lane;
  }
  function wake(lane: Lane) {
    for (const fn of lane.wakes) setTimeout(fn, 1);
  }
  function put(lane: Lane, job: Job, atHead = false) {
    job.state = 'wait';
    if (atHead) lane.wait.unshift(job.id);
    else lane.wait.push(job.id);
    wake(lane);
  }
  /** The job, if it is still in the hand that holds the token. */
  function inHand(name: string, id: string, token: string): Job | undefined {
    const job = laneOf(name).jobs.get(id);
    return job?.state === 'active' && job.token === token ? job : undefined;
  }

  return {
    lanes,
    onWait(name: string, fn: () => void) {
      laneOf(name).wakes.add(fn);
      return () => void laneOf(name).wakes.delete(fn);
    },
    /** False when the id exists. */
    add(
      name: string,
      { id, ...job }: Pick<Job, 'id' | 'name' | 'data' | 'attempts'>,
      isFirst = false,
    ): boolean {
      const lane = laneOf(name);
      if (lane.jobs.has(id)) return false;
      const added: Job = {
        ...{ id, ...job },
        ...{ state: 'wait', token: '', lockedUntilMs: 0, attemptsMade: 0, stalled: 0 },
      };
      lane.jobs.set(id, added);
      put(lane, added, isFirst);
      return true;
    },
    /** 0 when the job is in somebody's hand, and stays. */
    remove(name: string, id: string): 0 | 1 {
      if (laneOf(name).jobs.get(id)?.state === 'active') return 0;
      this.lose(name, id);
      return 1;
    },
    take(name: string, token: string, lockMs: number): Job | undefined {
      const lane = laneOf(name);
      const job = lane.jobs.get(lane.wait.shift() ?? '');
      if (job) Object.assign(job, { state: 'active', token, lockedUntilMs: nowMs() + lockMs });
      return job;
    },
    renew(name: string, ids: string[], token: string, lockMs: number) {
      for (const id of ids) {
        const job = inHand(name, id, token);
        if (job) job.lockedUntilMs = nowMs() + lockMs;
      }
    },
    /** False when the job was taken over meanwhile, or is gone. */
    finish(name: string, id: string, token: string, state: 'completed' | 'failed'): boolean {
      const job = inHand(name, id, token);
      if (!job) return false;
      job.state = state;
      job.attemptsMade++;
      return true;
    },
    /** Back to the lane, at once at the head or after a delay. */
    giveBack(name: string, id: string, token: string, delayMs: number): boolean {
      const job = inHand(name, id, token);
      if (!job) return false;
      const lane = laneOf(name);
      if (delayMs === 0) {
        put(lane, job, true);
        return true;
      }
      job.state = 'delayed';
      job.attemptsMade++;
      setTimeout(() => {
        if (lane.jobs.get(id) === job && job.state === 'delayed') put(lane, job);
      }, delayMs);
      return true;
    },
    /** Jobs whose lock is over wait again; too often, and they are dead. */
    takeOver(name: string, stalledMost: number) {
      const lane = laneOf(name);
      for (const job of lane.jobs.values()) {
        if (job.state !== 'active' || job.lockedUntilMs > nowMs()) continue;
        if (++job.stalled > stalledMost) job.state = 'failed';
        else put(lane, job, true);
      }
    },
    /** An operator's hand. */
    retry(name: string, id: string) {
      const lane = laneOf(name);
      const job = lane.jobs.get(id);
      if (job?.state === 'completed' || job?.state === 'failed') put(lane, job);
    },
    lose(name: string, id: string) {
      const lane = laneOf(name);
      lane.jobs.delete(id);
      lane.wait = lane.wait.filter(waiting => waiting !== id);
    },
    shuffle(name: string) {
      const lane = laneOf(name);
      lane.wait.reverse();
    },
    clear() {
      for (const lane of lanes.values()) {
        lane.jobs.clear();
        lane.wait = [];
      }
    },
  };
}

export type QueueModel = ReturnType<typeof createQueueModel>;
