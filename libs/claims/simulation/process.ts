import { withDeadline } from '@claimline/kernel/backoff';
import { nowMs, sleep } from './clock.ts';
import { draw } from './draw.ts';
import type { Fault, Faults } from './faults.ts';

const limits = {
  /** A leg of a call, there or back, takes less than this. */
  legMs: 4,
  /** As in queue/redis-engine.ts: an accepting process gives a command up after this. */
  commandMs: 2000,
  /** A working process sends a command again after this, for ever. */
  resendMs: 200,
} as const;

/** Calls that a history tells. */
const told = new Set([
  ...['gate.admit', 'gate.giveBack', 'gate.settled', 'gate.load', 'gate.places', 'queue.add'],
  ...['queue.take', 'queue.complete', 'roster.want', 'sql.settle'],
]);

/** A store as processes see it. `outages` counts how often it went away: what was on its way then is lost. */
export type Store = { name: 'redis' | 'postgres'; isAway: boolean; outages: number };

export type Side = 'accepting' | 'working';

/** A process that may be killed or stopped at any instant; all it does to the world goes through `call`. */
export type SimulatedProcess = {
  readonly name: string;
  readonly side: Side;
  readonly isAlive: boolean;
  /**
   * Has `effect` happen in the store, at one later instant, and answers with what it returned. The
   * request or the answer may be lost or late, and this process may die around it: then nobody ever hears.
   */
  call<T>(store: Store, name: string, effect: () => T | Promise<T>): Promise<T>;
  /** Resolves while the process runs: later when it is stopped, never when it is dead. */
  running(): Promise<void>;
  /** kill -9. */
  kill(): void;
  /** SIGSTOP, and SIGCONT after `ms`. */
  freeze(ms: number): void;
  /** Calls `fn` when the process is killed. */
  onKilled(fn: () => void): void;
};

export function createProcess({
  name,
  side,
  seed,
  faults,
  say,
}: {
  name: string;
  side: Side;
  seed: number;
  faults: Faults;
  say: (text: string) => void;
}): SimulatedProcess {
  let isAlive = true;
  let frozenUntilMs = 0;
  const calls = new Map<string, number>();
  const mourners: (() => void)[] = [];
  // Redis is asked on one connection: commands and answers keep their order.
  const connection = { effectMs: 0, answerMs: 0 };

  async function running(): Promise<void> {
    while (isAlive && nowMs() < frozenUntilMs) await sleep(frozenUntilMs - nowMs());
    if (!isAlive) await never();
  }

  function kill() {
    if (!isAlive) return;
    isAlive = false;
    say(`${name} is killed`);
    for (const fn of mourners) fn();
  }

  async function once<T>(
    store: Store,
    call: string,
    effect: () => T | Promise<T>,
    fault?: Fault,
  ): Promise<T> {
    const n = (calls.get(call) ?? 0) + 1;
    calls.set(call, n);
    const legMs = (leg: number) => Math.floor(draw(seed, name, call, n, leg) * limits.legMs);
    const { outages } = store;
    const order = store.name === 'redis' ? connection : { effectMs: 0, answerMs: 0 };
    if (store.isAway) {
      await sleep(1);
      throw awayError(store);
    }
    const lateMs = fault?.what === 'slow request' ? fault.ms : 0;
    order.effectMs = Math.max(nowMs() + legMs(0) + lateMs, order.effectMs);
    await sleep(order.effectMs - nowMs());
    if (store.outages !== outages || fault?.what === 'request lost') throw awayError(store);
    if (told.has(call)) say(`${name} ${call}`);
    const answer = await settled(effect);
    if (fault?.what === 'crash after') kill();
    const slowMs = fault?.what === 'slow answer' ? fault.ms : 0;
    order.answerMs = Math.max(nowMs() + legMs(1) + slowMs, order.answerMs);
    await sleep(order.answerMs - nowMs());
    if (store.outages !== outages || fault?.what === 'answer lost') throw awayError(store);
    return answer();
  }

  /** What BullMQ's workers and their connections do: the same command again until it is answered. */
  async function untilAnswered<T>(store: Store, call: string, effect: () => T | Promise<T>, fault?: Fault) {
    let first = fault;
    for (;;) {
      try {
        return await once(store, call, effect, first);
      } catch (error) {
        if (!isAwayError(error)) throw error;
        first = undefined;
        await sleep(limits.resendMs);
        await running();
      }
    }
  }

  return {
    name,
    side,
    get isAlive() {
      return isAlive;
    },
    async call(store, call, effect) {
      await running();
      const fault = faults.take(side, call);
      if (fault) say(`${name} ${call}: ${fault.what}${fault.ms > 0 ? ` (${fault.ms} ms)` : ''}`);
      if (fault?.what === 'crash before') kill();
      if (!isAlive) return never();
      const isInsisting = side === 'working' && (store.name === 'redis' || call.startsWith('queue.'));
      const sent = isInsisting ? untilAnswered(store, call, effect, fault) : once(store, call, effect, fault);
      try {
        const hasDeadline = side === 'accepting' && store.name === 'redis';
        return await (hasDeadline ? withDeadline(call, limits.commandMs, sent) : sent);
      } finally {
        await running();
      }
    },
    running,
    kill,
    freeze(ms) {
      say(`${name} is stopped for ${ms} ms`);
      frozenUntilMs = nowMs() + ms;
    },
    onKilled: fn => void mourners.push(fn),
  };
}

function never<T>(): Promise<T> {
  return new Promise(() => {});
}

/** Runs it now; what it answers or throws is told later. */
async function settled<T>(effect: () => T | Promise<T>): Promise<() => T> {
  try {
    const answer = await effect();
    return () => answer;
  } catch (error) {
    return () => {
      throw error;
    };
  }
}

/** An error that `isTransient` knows, as of a connection that was cut. */
export function awayError(store: Store): Error {
  return Object.assign(new Error(`${store.name} is away`), { code: 'CONNECTION_CLOSED', store: store.name });
}

function isAwayError(error: unknown): boolean {
  return (error as { code?: unknown }).code === 'CONNECTION_CLOSED';
}
