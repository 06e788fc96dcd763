import { setTimeout as delay } from 'node:timers/promises';

const pollEveryMs = 20;

/**
 * Awaits the first value that is neither undefined nor false; an error counts as "not yet".
 * @param what finishes the sentence "gave up waiting for ..." of the error thrown after `withinMs`.
 */
export async function awaitUntil<T>(
  what: string,
  look: () => Promise<T | undefined | false> | T | undefined | false,
  withinMs = 15_000,
): Promise<T> {
  const deadline = performance.now() + withinMs;
  let last: unknown;
  while (performance.now() < deadline) {
    try {
      const seen = await look();
      if (seen !== undefined && seen !== false) return seen;
      last = seen;
    } catch (error) {
      last = error;
    }
    await delay(pollEveryMs);
  }
  throw new Error(`gave up waiting ${withinMs} ms for ${what}; last: ${String(last)}`, { cause: last });
}

/** Runs `work` over `items` with at most `width` at a time; the results are in the order of the items. */
export async function atMost<T, R>(
  width: number,
  items: readonly T[],
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results = new Array<R>(items.length);
  let next = 0;
  const lanes = Array.from({ length: Math.min(width, items.length) }, async () => {
    while (next < items.length) {
      const index = next++;
      results[index] = await work(items[index]!);
    }
  });
  await Promise.all(lanes);
  return results;
}
