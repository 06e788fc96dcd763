import type { Sent } from './send.ts';

/** When it is tried again, and when no more. Times in milliseconds. */
export type Schedule = {
  /** The waits before each attempt; the first is 0. */
  waitsMs: readonly number[];
  /** The least wait after a receiver that could not keep up: a timeout or 429. */
  throttledMs: number;
};

export const judgeLimits = {
  /** A wait may be this share longer or shorter, so that many who failed together do not come back together. */
  jitter: 0.2,
  /** Retry-After is honoured up to this multiple of the wait that there would have been. */
  retryAfterTimes: 2,
} as const;

/**
 * What an attempt makes of its delivery. `gone`: the receiver answered 410; `receiver`: it asked for no more
 * messages; both end the endpoint too. `aborted`: it asked for no more of this message, which is no failure of its own;
 * `exhausted`: no attempt is left.
 */
export type Verdict =
  | { verdict: 'delivered' | 'exhausted' | 'aborted' | 'gone' | 'receiver'; waitMs: null }
  | { verdict: 'retry'; waitMs: number };

/**
 * Judges attempt number `number` (from 1).
 * @param random from 0 to 1
 */
export function judge(
  sent: Pick<Sent, 'status' | 'failure' | 'retryAfterS' | 'delivery'>,
  number: number,
  schedule: Schedule,
  random = Math.random(),
): Verdict {
  const { status } = sent;
  if (sent.delivery === 'disable') return { verdict: 'receiver', waitMs: null };
  if (status !== null && status >= 200 && status < 300) return { verdict: 'delivered', waitMs: null };
  if (status === 410) return { verdict: 'gone', waitMs: null };
  if (sent.delivery === 'abort-message') return { verdict: 'aborted', waitMs: null };
  const plannedMs = schedule.waitsMs[number];
  if (plannedMs === undefined) return { verdict: 'exhausted', waitMs: null };
  return { verdict: 'retry', waitMs: Math.round(waitOf(sent, plannedMs, schedule, random)) };
}

/** No wait between two attempts of a delivery is longer, whatever a receiver asks for. */
export function longestWaitMs({ waitsMs, throttledMs }: Schedule): number {
  return Math.max(throttledMs, ...waitsMs) * (1 + judgeLimits.jitter) * judgeLimits.retryAfterTimes;
}

function waitOf(
  { status, failure, retryAfterS }: Parameters<typeof judge>[0],
  plannedMs: number,
  { throttledMs }: Schedule,
  random: number,
): number {
  const { jitter, retryAfterTimes } = judgeLimits;
  const isThrottled = failure === 'timeout' || status === 429;
  // Where there is a least wait, jitter only adds to it.
  const leastMs = isThrottled ? throttledMs * (1 + jitter * random) : 0;
  const waitMs = Math.max(leastMs, plannedMs * (1 - jitter + 2 * jitter * random));
  if (retryAfterS === null) return waitMs;
  return Math.min(Math.max(waitMs, retryAfterS * 1000), waitMs * retryAfterTimes);
}
