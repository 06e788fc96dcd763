import type { Changes } from '@claimline/db/changes';
import { metrics } from '@claimline/telemetry/metrics';
import type { Tickets } from '@claimline/tickets/ticket';
import { createWaiters } from '@claimline/tickets/waiters';
import { LRUCache } from 'lru-cache';
import type { Gate } from './gate.ts';
import { type Decision, decide, type News, parseNews, SETTLED_CHANNEL, settledOf } from './outcome.ts';

export const outcomesLimits = {
  /** Decided tickets remembered by an API process, about 500 bytes each. */
  ticketsMost: 100_000,
  /** The most outcomes in a notification that are told the shared gate before anybody is woken. */
  toldGateMost: 16,
  /** Coupons whose changes are remembered; see `ageOf`. */
  couponsMost: 50_000,
} as const;

/**
 * What an API process has heard of outcomes. Every settle says what it decided when it commits
 * (settle.sql), so whoever waits is woken by that, and a poll of a decided ticket costs no query.
 * What was missed while the connection was away is read from Postgres when somebody asks.
 */
export type Outcomes = {
  /** A decided ticket that is remembered. */
  get(ticket: string): Decision | undefined;
  /** Whether it was heard that the ticket is decided, also when how it was is not believed any more. */
  isDecided(ticket: string): boolean;
  /** Remembers a decided ticket that was read from Postgres. */
  keep(ticket: string, decision: Decision): void;
  /**
   * Resolves when the ticket is decided, or when there may be news that went unheard, or after
   * `waitMs`, or when `signal` aborts. Look again after it.
   */
  wait(ticket: string, waitMs: number, signal?: AbortSignal): Promise<void>;
  /** Lets everybody go who waits: the process is stopping. */
  release(): void;
};

/** What is remembered of a ticket, and how old its coupon was then; see `ageOf`. */
type Heard = { couponName: string; age: number } & (
  | { decision: Decision }
  | { news: News; outcome: News['outcomes'][number] }
);

/** @param findDecided which of some tickets Postgres knows to be decided */
export async function openOutcomes({
  changes,
  gate,
  tickets,
  findDecided,
}: {
  changes: Changes;
  gate: Gate;
  tickets: Tickets;
  findDecided: (tickets: string[]) => Promise<Iterable<string>>;
}): Promise<Outcomes> {
  const kept = new LRUCache<string, Heard>({ max: outcomesLimits.ticketsMost });
  const waiters = createWaiters();

  // A coupon that was changed by hand may have lost claims: what was remembered before is not
  // believed any more. Ages only rise, so one that was forgotten is never taken for a younger one.
  const ages = new LRUCache<string, number>({ max: outcomesLimits.couponsMost });
  let clock = 0;
  let allAge = 0;
  const ageOf = (couponName: string) => Math.max(allAge, ages.get(couponName) ?? allAge);

  /**
   * Whoever learns an outcome and asks again is to find a gate that knows it. The worker tells a shared
   * gate a moment after the commit that told us; few outcomes we tell it ourselves first, so that one
   * claim after the other is answered exactly. In a stampede nobody can tell, and once is enough.
   */
  async function tellGate(news: News) {
    if (gate.isShared && news.outcomes.length > outcomesLimits.toldGateMost) return;
    await gate.settled(settledOf(news)).catch(() => {}); // The worker will.
  }

  await changes.on(SETTLED_CHANNEL, async payload => {
    const news = parseNews(payload);
    const { couponName } = news;
    const age = ageOf(couponName);
    await tellGate(news);
    for (const outcome of news.outcomes) {
      const [ticket] = outcome;
      kept.set(ticket, { couponName, age, news, outcome });
      if (waiters.has(ticket)) {
        const issued = tickets.read(ticket);
        const nowMs = changes.databaseNowMs() ?? Date.now();
        if (issued) metrics.ticketSeconds.observe(Math.max(0, nowMs - issued.createdAtMs) / 1000);
        waiters.wake(ticket);
      }
    }
  });
  await changes.on('claimline_coupons', couponName => {
    if (couponName === '') allAge = ++clock;
    else ages.set(couponName, ++clock);
  });
  changes.onReconnect(() => {
    allAge = ++clock;
    gate.forgetAll();
    void waiters.wakeDecided(findDecided);
  });

  return {
    get(ticket) {
      const found = kept.get(ticket);
      if (!found || found.age !== ageOf(found.couponName)) return undefined;
      return 'decision' in found ? found.decision : decide(found.news, found.outcome);
    },
    isDecided: ticket => kept.has(ticket),
    keep(ticket, decision) {
      const { couponName } = decision;
      kept.set(ticket, { couponName, age: ageOf(couponName), decision });
    },
    wait: waiters.wait,
    release: waiters.release,
  };
}
