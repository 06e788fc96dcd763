/** How many claims were in line, in the order of looking. */
export type BacklogSamples = { inLine: number; atMs: number }[];

// The view of a line is cached for a second.
const SAMPLE_EVERY_MS = 1000;

/** Looks at a coupon's line once a second until told to stop, which returns what it saw. */
export function watchBacklog(url: string, couponName: string): () => BacklogSamples {
  const samples: BacklogSamples = [];
  async function look(): Promise<void> {
    const response = await fetch(`${url}/api/coupons/${encodeURIComponent(couponName)}/line`);
    const line = (await response.json()) as { in_line?: number };
    if (line.in_line !== undefined) samples.push({ inLine: line.in_line, atMs: performance.now() });
  }
  // A look that fails is a sample less; the counts at the end decide.
  const timer = setInterval(() => void look().catch(() => {}), SAMPLE_EVERY_MS);
  return () => {
    clearInterval(timer);
    return samples;
  };
}

/** By how many claims a second the line grew between the first and the last look; 0 of fewer than two. */
export function backlogGrowth(samples: BacklogSamples): number {
  const [first, last] = [samples[0], samples.at(-1)];
  if (!first || !last || last.atMs === first.atMs) return 0;
  return ((last.inLine - first.inLine) * 1000) / (last.atMs - first.atMs);
}
