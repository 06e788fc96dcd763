import type { CouponFacts } from '@claimline/coupons';
import { createRate, type LineState, type Rate } from '@claimline/tickets/line';
import { LRUCache } from 'lru-cache';
import {
  type Candidate,
  closedReason,
  type Gate,
  gateLimits,
  type Holder,
  type InLine,
  type Verdict,
} from './gate.ts';
import type { Decision } from './outcome.ts';

type Held = Map<string, { count: number; ticket: string }>;

/** What one process remembers of one coupon; see gate/admit.lua for the same in Redis. */
type Memory = {
  coupon: CouponFacts | null;
  held: Held;
  /** What was heard while a load reads who holds a claim, for each load under way. */
  heardMeanwhile: Set<{ claimsEpoch: number; held: Held }>;
  queued: Map<string, { line: number; ticket: string }>;
  tickets: Map<string, { line: number; admittedMs: number; userId: string }>;
  line: number;
  done: number;
  rate: Rate;
};

/** The gate of one API process where there is no Redis. It hears what was settled through Postgres. */
export function createLocalGate(): Gate {
  const memories = new LRUCache<string, Memory>({ max: gateLimits.couponsMost });
  /** Who was in line before this may have been decided unheard. */
  let heardSinceMs = Number.NEGATIVE_INFINITY;
  // A line that is being loaded was read before these were decided: they must not be put back in it.
  const justDecided = new LRUCache<string, true>({ max: gateLimits.justDecidedMost });

  function memoryOf(couponId: string): Memory {
    let memory = memories.get(couponId);
    if (!memory) {
      memory = {
        coupon: null,
        held: new Map(),
        heardMeanwhile: new Set(),
        queued: new Map(),
        tickets: new Map(),
        line: 0,
        done: 0,
        rate: createRate(),
      };
      memories.set(couponId, memory);
    }
    return memory;
  }

  function lineState(memory: Memory): LineState {
    return { done: memory.done, inLine: memory.queued.size, perSecond: memory.rate.perSecond() };
  }

  function judge(memory: Memory, coupon: CouponFacts, candidate: Candidate, nowMs?: number): Verdict {
    const held = memory.held.get(candidate.userId);
    if (held && held.count >= coupon.perUserLimit)
      return { kind: 'refused', reason: 'already_claimed', heldTicket: held.ticket || null };
    const waiting = memory.queued.get(candidate.userId);
    if (waiting) {
      const isSure = (memory.tickets.get(waiting.ticket)?.admittedMs ?? heardSinceMs) > heardSinceMs;
      return { kind: 'joined', ticket: waiting.ticket, line: isSure ? waiting.line : null };
    }
    const closed = closedReason(coupon, coupon.remaining, nowMs);
    if (closed) return { kind: 'refused', reason: closed, heldTicket: null };
    if (memory.queued.size >= gateLimits.lineMost) return { kind: 'full' };
    if (candidate.ticket === '') return { kind: 'unticketed' };
    enter(memory, { ...candidate, line: ++memory.line });
    return { kind: 'admitted', line: memory.line };
  }

  function enter(memory: Memory, { userId, ticket, line }: Candidate & { line: number }) {
    memory.queued.set(userId, { line, ticket });
    memory.tickets.set(ticket, { line, admittedMs: performance.now(), userId });
  }

  function leave(memory: Memory, ticket: string): boolean {
    const place = memory.tickets.get(ticket);
    if (!place) return false;
    memory.tickets.delete(ticket);
    if (memory.queued.get(place.userId)?.ticket === ticket) memory.queued.delete(place.userId);
    memory.done++;
    return true;
  }

  return {
    isShared: false,

    async admit(coupon, candidates, nowMs) {
      const memory = memoryOf(coupon.id);
      const known = memory.coupon;
      if (!known || known.epoch < coupon.epoch) return 'load';
      if (known.epoch > coupon.epoch) return 'stale';
      const verdicts = candidates.map(candidate => judge(memory, known, candidate, nowMs));
      return { verdicts, line: lineState(memory) };
    },

    async renew(coupon) {
      const memory = memories.get(coupon.id);
      const known = memory?.coupon;
      if (!known) return false;
      if (known.epoch > coupon.epoch) return true;
      if (known.claimsEpoch !== coupon.claimsEpoch) return false;
      if (known.epoch === coupon.epoch) return true;
      // See gate/renew.lua.
      if (known.revision >= coupon.revision) return false;
      memory.coupon = coupon;
      return true;
    },

    async load(coupon, held, inLine) {
      const memory = memoryOf(coupon.id);
      const holders: Holder[] = [];
      const heard = { claimsEpoch: coupon.claimsEpoch, held: new Map() };
      memory.heardMeanwhile.add(heard);
      try {
        for await (const page of held) holders.push(...page);
      } finally {
        memory.heardMeanwhile.delete(heard);
      }
      if (memory.coupon && memory.coupon.epoch >= coupon.epoch) return;
      memory.held = new Map(holders.map(one => [one.userId, { count: one.count, ticket: one.ticket }]));
      for (const [userId, one] of heard.held) memory.held.set(userId, one);
      for (const one of inLine) {
        if (memory.queued.has(one.userId) || justDecided.has(one.ticket)) continue;
        enter(memory, one);
        memory.line = Math.max(memory.line, one.line);
      }
      memory.done = memory.line - memory.queued.size;
      memory.coupon = coupon;
    },

    async settled(news) {
      const memory = memoryOf(news.couponId);
      let left = 0;
      const { coupon } = memory;
      const known = coupon ? [{ claimsEpoch: coupon.claimsEpoch, held: memory.held }] : [];
      const hearing = [...known, ...memory.heardMeanwhile].filter(
        one => one.claimsEpoch === news.state?.claimsEpoch,
      );
      for (const [ticket, decision] of news.decisions) {
        justDecided.set(ticket, true);
        if (leave(memory, ticket)) left++;
        const holds = holdingAfter(ticket, decision);
        if (holds) for (const one of hearing) one.held.set(decision.userId, holds);
      }
      if (left > 0) memory.rate.count(left);
      if (coupon && news.state && coupon.epoch === news.state.epoch && coupon.revision < news.state.revision)
        memory.coupon = { ...coupon, ...news.state };
    },

    async giveBack(couponId, entries) {
      const memory = memories.get(couponId);
      if (memory) for (const entry of entries) leave(memory, entry.ticket);
    },

    async find(couponId, ticket) {
      const memory = memories.get(couponId);
      const place = memory?.tickets.get(ticket);
      if (!memory || !place) return null;
      const found = { userId: place.userId, line: place.line, state: lineState(memory) };
      return place.admittedMs <= heardSinceMs ? { ...found, mayBeDecided: true } : found;
    },

    async readLine(couponId) {
      const memory = memories.get(couponId);
      return memory ? lineState(memory) : { done: 0, inLine: 0, perSecond: null };
    },

    async places(couponId, { olderThanMs, belowLine = Number.POSITIVE_INFINITY, most }) {
      const before = performance.now() - olderThanMs;
      const found: InLine[] = [];
      for (const [ticket, { line, admittedMs, userId }] of memories.get(couponId)?.tickets ?? []) {
        if (admittedMs <= before && line < belowLine) found.push({ ticket, line, userId });
        if (found.length >= most) break;
      }
      return found;
    },

    forgetAll() {
      heardSinceMs = performance.now();
      for (const memory of memories.values()) memory.coupon = null;
    },

    couponsInLine() {
      return [...memories.entries()].filter(([, memory]) => memory.tickets.size > 0).map(([id]) => id);
    },
  };
}

/** What a person is known to hold by a decision; who was only told that they hold one holds as many as one can. */
function holdingAfter(ticket: string, decision: Decision) {
  if (decision.status === 'granted') return { count: decision.held, ticket };
  if (decision.status === 'refused' && decision.heldTicket)
    return { count: Number.MAX_SAFE_INTEGER, ticket: decision.heldTicket };
  return null;
}
