/** Counts of durations with a resolution of 1/64, so that a million answers cost a few kilobytes. */
export type Histogram = { counts: Uint32Array; total: number; maxMs: number };

export type LatencySummary = { p50Ms: number; p95Ms: number; p99Ms: number; maxMs: number };

// Below 128 us a bucket is a microsecond; above, every power of two is cut into 64 buckets.
const SUB_BUCKET_BITS = 6;
const LINEAR_LIMIT_US = 1 << (SUB_BUCKET_BITS + 1);
const BUCKET_COUNT = LINEAR_LIMIT_US + (31 - SUB_BUCKET_BITS) * (1 << SUB_BUCKET_BITS);

export function createHistogram(): Histogram {
  return { counts: new Uint32Array(BUCKET_COUNT), total: 0, maxMs: 0 };
}

export function record(histogram: Histogram, durationMs: number): void {
  const us = Math.min(Math.max(0, Math.round(durationMs * 1000)), 2 ** 31 - 1);
  const index = bucketOf(us);
  histogram.counts[index] = histogram.counts[index]! + 1;
  histogram.total += 1;
  if (durationMs > histogram.maxMs) histogram.maxMs = durationMs;
}

/** All that was recorded in any of them, in a new one. */
export function mergeHistograms(histograms: Histogram[]): Histogram {
  const merged = createHistogram();
  for (const { counts, total, maxMs } of histograms) {
    for (const [index, count] of counts.entries()) merged.counts[index] = merged.counts[index]! + count;
    merged.total += total;
    merged.maxMs = Math.max(merged.maxMs, maxMs);
  }
  return merged;
}

/** A histogram for JSON: its buckets that hold anything, as [index, count]. */
export type PackedHistogram = { buckets: [number, number][]; maxMs: number };

export function packHistogram({ counts, maxMs }: Histogram): PackedHistogram {
  return { buckets: [...counts.entries()].filter(([, count]) => count > 0), maxMs };
}

export function unpackHistogram({ buckets, maxMs }: PackedHistogram): Histogram {
  const histogram = createHistogram();
  for (const [index, count] of buckets) {
    histogram.counts[index] = count;
    histogram.total += count;
  }
  histogram.maxMs = maxMs;
  return histogram;
}

export function summarize(histogram: Histogram): LatencySummary {
  return {
    p50Ms: percentile(histogram, 0.5),
    p95Ms: percentile(histogram, 0.95),
    p99Ms: percentile(histogram, 0.99),
    maxMs: roundMs(histogram.maxMs),
  };
}

/** The duration that the given fraction of all recorded ones do not exceed; 0 of none. */
export function percentile(histogram: Histogram, fraction: number): number {
  const rank = Math.ceil(histogram.total * fraction);
  let seen = 0;
  for (let index = 0; index < BUCKET_COUNT; index++) {
    seen += histogram.counts[index]!;
    if (seen >= rank && seen > 0) return roundMs(Math.min(bucketTopUs(index) / 1000, histogram.maxMs));
  }
  return 0;
}

function bucketOf(us: number): number {
  if (us < LINEAR_LIMIT_US) return us;
  const exponent = 31 - Math.clz32(us) - SUB_BUCKET_BITS;
  return (exponent << SUB_BUCKET_BITS) + (us >>> exponent);
}

function bucketTopUs(index: number): number {
  if (index < LINEAR_LIMIT_US) return index;
  const exponent = (index >>> SUB_BUCKET_BITS) - 1;
  return (index - (exponent << SUB_BUCKET_BITS) + 1) * 2 ** exponent - 1;
}

function roundMs(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
