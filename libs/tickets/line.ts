/** What the gate knows of a coupon's line; rates are units a second. */
export type LineState = {
  /** Undecided claims. */
  inLine: number;
  /** Claims decided since the line began. */
  done: number;
  /** Decided claims a second, or null when nothing was decided lately: then nobody can say. */
  perSecond: number | null;
};

export const lineLimits = {
  /** A rate is measured over as long as this at least. */
  rateSpanMs: 1000,
  /** A rate that is older than this says nothing about now. */
  rateAgeMs: 10_000,
  retryAfterLeastS: 1,
  retryAfterMostS: 30,
} as const;

/** Position in line (1 is next), people ahead, and the estimate, honest when there is none. */
export function describePlace(line: number, state: LineState) {
  const ahead = Math.max(0, line - 1 - state.done);
  const eta =
    state.perSecond === null
      ? { known: false }
      : { known: true, seconds: Math.ceil((ahead + 1) / state.perSecond) };
  return { position: ahead + 1, ahead, eta };
}

/**
 * When to ask again, in whole seconds: the estimate with a jitter of a quarter either way, so that
 * 100,000 who wait do not come back in step. `line` is null where the place is not known.
 */
export function retryAfterSeconds(line: number | null, state: LineState): number {
  const seconds = line === null || state.perSecond === null ? 1 : (line - state.done) / state.perSecond;
  const jittered = seconds * (0.75 + Math.random() / 2);
  return Math.min(lineLimits.retryAfterMostS, Math.max(lineLimits.retryAfterLeastS, Math.ceil(jittered)));
}

/** How many leave a line in a second, as far as somebody counts them. */
export type Rate = {
  count(left: number): void;
  /** Null when nobody left lately. */
  perSecond(): number | null;
};

export function createRate(): Rate {
  let perSecond: number | null = null;
  let since = { ms: Number.NEGATIVE_INFINITY, left: 0 };
  return {
    count(left) {
      const nowMs = performance.now();
      const spanMs = nowMs - since.ms;
      if (spanMs > lineLimits.rateAgeMs) {
        perSecond = null;
        since = { ms: nowMs, left: 0 };
        return;
      }
      since.left += left;
      if (spanMs < lineLimits.rateSpanMs) return;
      const measured = (since.left * 1000) / spanMs;
      perSecond = perSecond === null ? measured : (perSecond + measured) / 2;
      since = { ms: nowMs, left: 0 };
    },
    perSecond: () => (performance.now() - since.ms < lineLimits.rateAgeMs ? perSecond : null),
  };
}
