import type { Stack } from '../stack.ts';

type Buckets = Record<string, [withinS: string, count: number][]>;

/** Of the answers to claims since `before`, by status: the buckets in which the median and the 95th of 100 are. */
export async function answerTimes(stack: Stack, before: Buckets): Promise<Record<string, string[]>> {
  const shares = [0.5, 0.95];
  const entries = Object.entries(await readBuckets(stack)).map(([status, buckets]) => {
    const counts = buckets.map(
      ([withinS, count], i) => [withinS, count - (before[status]?.[i]?.[1] ?? 0)] as const,
    );
    const total = counts.at(-1)![1];
    return [status, shares.map(share => counts.find(([, count]) => count >= share * total)![0])];
  });
  return Object.fromEntries(entries);
}

/** How many claims were answered within which time until now, by status. */
export async function readBuckets({ api }: Stack): Promise<Buckets> {
  const text = await (await fetch(`${api}/metrics`)).text();
  const found: Buckets = {};
  for (const line of text.split('\n')) {
    if (!line.startsWith('claimline_http_request_duration_seconds_bucket')) continue;
    if (!line.includes('route="/api/coupons/{name}/claims"') || !line.includes('method="POST"')) continue;
    const [, withinS] = /le="([^"]+)"/.exec(line)!;
    const [, status] = /status="(\d+)"/.exec(line)!;
    const buckets = found[status!] ?? [];
    found[status!] = [...buckets, [withinS!, Number(line.slice(line.lastIndexOf(' ')))]];
  }
  return found;
}
