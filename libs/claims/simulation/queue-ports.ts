import { backoffMs } from '@claimline/kernel/backoff';
import { Poison, type Store as QueueStore, queueLimits } from '@claimline/queue/engine';
import type { SimulatedProcess, Store } from './process.ts';
import type { Job, QueueModel } from './queue.ts';

type Queue = ReturnType<QueueStore['openQueue']>;
type Worker = ReturnType<QueueStore['openWorker']>;
type Listener = (...args: never[]) => void;

/** A process's queues and workers, in BullMQ's own shape as far as queue/engine.ts uses it. */
export function createQueuePorts(
  process: SimulatedProcess,
  { store, queue, onAdded }: { store: Store; queue: QueueModel; onAdded: (data: unknown) => void },
): Pick<QueueStore, 'openQueue' | 'openWorker'> {
  function openQueue(lane: string) {
    const jobsIn = (states: string[]) =>
      [...(queue.lanes.get(lane)?.jobs.values() ?? [])].filter(job => states.includes(job.state));
    return {
      on() {},
      async waitUntilReady() {},
      add: (name: string, data: unknown, options: { jobId: string; attempts: number; lifo?: boolean }) =>
        process.call(store, 'queue.add', () => {
          const { jobId: id, attempts, lifo: isFirst = false } = options;
          if (queue.add(lane, { id, name, data, attempts }, isFirst)) onAdded(data);
        }),
      remove: (id: string) => process.call(store, 'queue.remove', () => queue.remove(lane, id)),
      getJob: (id: string) => process.call(store, 'queue.get', () => queue.lanes.get(lane)?.jobs.get(id)),
      getJobCountByTypes: (...states: string[]) =>
        process.call(store, 'queue.count', () => jobsIn(states).length),
      getJobs: (states: string[], first: number, last: number) =>
        process.call(store, 'queue.list', () =>
          jobsIn(states)
            .slice(first, last + 1)
            .map(({ id, data }) => ({ id, data })),
        ),
      async close() {},
    } as unknown as Queue;
  }

  return { openQueue, openWorker: (...args) => openWorker(process, store, queue, args) };
}

let tokens = 0;

function openWorker(
  process: SimulatedProcess,
  store: Store,
  queue: QueueModel,
  [lane, processor, options]: Parameters<QueueStore['openWorker']>,
): Worker {
  const { concurrency, lockDuration, stalledInterval, maxStalledCount } = options;
  const token = `token ${++tokens}`;
  const listeners = new Map<string, Listener>();
  const inHand = new Map<string, Promise<void>>();
  const call = <T>(name: string, effect: () => T) => process.call(store, `queue.${name}`, effect);
  let isClosing = false;
  let isTaking = false;
  let isMore = false;

  async function takeAll() {
    isMore = true;
    if (isTaking) return;
    isTaking = true;
    while (isMore && !isClosing && inHand.size < concurrency) {
      isMore = false;
      const job = await call('take', () => queue.take(lane, token, lockDuration));
      if (!job) continue;
      isMore = true;
      inHand.set(
        job.id,
        work(job).finally(() => {
          inHand.delete(job.id);
          void takeAll();
        }),
      );
    }
    isTaking = false;
  }

  async function work(job: Job) {
    const seen = {
      ...{ id: job.id, data: job.data, opts: { attempts: job.attempts } },
      moveToWait: () => call('giveBack', () => queue.giveBack(lane, job.id, token, 0)),
    };
    try {
      await processor(seen as never, token);
      await call('complete', () => queue.finish(lane, job.id, token, 'completed'));
    } catch (error) {
      await fail(job, error as Error);
    }
  }

  async function fail(job: Job, error: Error) {
    if (error.name === 'WaitingError') return;
    const isDead = error instanceof Poison || job.attemptsMade + 1 >= job.attempts;
    const delayMs = backoffMs(job.attemptsMade + 1, { baseMs: queueLimits.retryBaseMs, maxMs: 10_000 });
    const isOwn = await call('fail', () =>
      isDead ? queue.finish(lane, job.id, token, 'failed') : queue.giveBack(lane, job.id, token, delayMs),
    );
    const { id, data, attemptsMade } = job;
    const tell = listeners.get('failed') as ((job: unknown, error: Error) => void) | undefined;
    if (isOwn) tell?.({ id, data, attemptsMade, opts: { attempts: job.attempts } }, error);
  }

  const timers = [
    setInterval(
      () => void call('renew', () => queue.renew(lane, [...inHand.keys()], token, lockDuration)),
      lockDuration / 2,
    ),
    setInterval(() => void call('takeOver', () => queue.takeOver(lane, maxStalledCount)), stalledInterval),
  ];
  const stopHearing = queue.onWait(lane, () => void process.running().then(takeAll));
  function stop() {
    stopHearing();
    for (const timer of timers) clearInterval(timer);
  }
  process.onKilled(stop);
  void takeAll();

  return {
    on: (event: string, fn: Listener) => void listeners.set(event, fn),
    async close() {
      isClosing = true;
      await Promise.all(inHand.values());
      stop();
    },
  } as unknown as Worker;
}
