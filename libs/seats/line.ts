import {
  createRate,
  describePlace,
  type LineState,
  type Rate,
  retryAfterSeconds,
} from '@claimline/tickets/line';
import { LRUCache } from 'lru-cache';

export const lineLimits = {
  /** Undecided requests that a process remembers. */
  most: 100_000,
  /** Events of which it is remembered how fast their lines move. */
  eventsMost: 10_000,
  /**
   * How long one is taken to be in the queue without looking. After that its job may be gone with the queue
   * store, and somebody who asks for it is worth a look.
   */
  sureMs: 5000,
} as const;

/** A place in line, as far as this process knows. */
export type Place = {
  userId: string;
  /** Whether the request is undecided and in the queue for sure; otherwise it was, and nothing else was heard. */
  isSure: boolean;
  /** When it may be decided, and when to ask again, in seconds. */
  eta: { known: boolean; seconds?: number };
  retryAfter: number;
};

/**
 * Who is in line by what this process has accepted and not yet heard of: reading such a ticket costs no look.
 * Others that were accepted elsewhere are in the same line, so there is no position to tell; but all move at one
 * pace, so it takes as long as this process's own take to be decided.
 */
export type Line = {
  enter(eventId: string, ticket: string, userId: string): void;
  /** It is decided. */
  leave(ticket: string): void;
  /** It never got in line. */
  drop(ticket: string): void;
  find(ticket: string): Place | undefined;
  /** Whatever is remembered may have been decided unheard. */
  doubtAll(): void;
};

/** The places of one event that this process gave away, numbered from 1. */
type Pace = { given: number; done: number; rate: Rate };
type Entry = { userId: string; pace: Pace; n: number; enteredMs: number };

export function createLine(): Line {
  const entries = new LRUCache<string, Entry>({ max: lineLimits.most });
  const paces = new LRUCache<string, Pace>({ max: lineLimits.eventsMost });
  let doubtedMs = Number.NEGATIVE_INFINITY;

  function paceOf(eventId: string): Pace {
    let pace = paces.get(eventId);
    if (!pace) {
      pace = { given: 0, done: 0, rate: createRate() };
      paces.set(eventId, pace);
    }
    return pace;
  }

  return {
    enter(eventId, ticket, userId) {
      const pace = paceOf(eventId);
      entries.set(ticket, { userId, pace, n: ++pace.given, enteredMs: performance.now() });
    },
    leave(ticket) {
      const entry = entries.get(ticket);
      if (!entry) return;
      entries.delete(ticket);
      // They are decided in their order: whoever came before is decided too, heard of or not.
      entry.pace.done = Math.max(entry.pace.done, entry.n);
      entry.pace.rate.count(1);
    },
    drop: ticket => void entries.delete(ticket),
    find(ticket) {
      const entry = entries.get(ticket);
      if (!entry) return undefined;
      const { userId, pace, n, enteredMs } = entry;
      const isSure = enteredMs > doubtedMs && performance.now() - enteredMs < lineLimits.sureMs;
      const { given, done } = pace;
      const state: LineState = { inLine: given - done, done, perSecond: pace.rate.perSecond() };
      const { eta } = describePlace(n, state);
      return { userId, isSure, eta, retryAfter: retryAfterSeconds(n, state) };
    },
    doubtAll() {
      doubtedMs = performance.now();
    },
  };
}
