import { vi } from 'vitest';

/** The real one: a turn of the real event loop runs everything that waits for no time. */
const realImmediate = setImmediate;

/** The virtual day on which every run begins. */
const START_MS = 1_800_000_000_000;

/** Virtual time: nothing passes by itself, and what waits is woken one after the other. */
export type Clock = {
  /** Lets `ms` pass, or less as soon as `isDone`; asked after every wake. */
  advance(ms: number, isDone?: () => boolean): Promise<void>;
  /** Gives the process its own time back. */
  stop(): void;
};

/**
 * Takes over the timers and clocks of this process. `performance.now` is replaced on its object, since
 * packages keep that object from when they were loaded.
 */
export function startClock(): Clock {
  vi.useFakeTimers({
    now: START_MS,
    toFake: [
      ...(['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] as const),
      ...(['setImmediate', 'clearImmediate', 'Date'] as const),
    ],
  });
  performance.now = nowMs;
  return {
    async advance(ms, isDone = () => false) {
      let isOver = false;
      setTimeout(() => {
        isOver = true;
      }, ms);
      await settleDown();
      while (!isOver && !isDone()) {
        vi.advanceTimersToNextTimer();
        await settleDown();
      }
    },
    stop() {
      vi.useRealTimers();
      Reflect.deleteProperty(performance, 'now');
    },
  };
}

/** Virtual milliseconds since the run began. */
export function nowMs(): number {
  return Date.now() - START_MS;
}

export function sleep(ms: number): Promise<void> {
  return new Promise(resolve => {
    setTimeout(resolve, ms);
  });
}

function settleDown(): Promise<void> {
  return new Promise(resolve => {
    realImmediate(resolve);
  });
}
