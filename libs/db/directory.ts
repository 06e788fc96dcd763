import { LRUCache } from 'lru-cache';
import type { Changes } from './changes.ts';

/**
 * What this process knows of rows by a key. Whoever is in a hurry looks here and not into Postgres; the
 * tables' triggers say what to forget. Facts may lag behind a change by the time a notification takes: who
 * wants to refuse somebody on them waits for `changes.barrier()` first and looks again.
 */
export type Directory<Facts> = {
  /** The row's facts, or null when there is none of that key. From memory where it can be. */
  find(key: string): Promise<Facts | null>;
  /** What is remembered, without asking Postgres; undefined when nothing is. */
  peek(key: string): Facts | null | undefined;
  /** Forgets a key that turned out to be out of date. */
  forget(key: string): void;
};

/**
 * @param channel its notifications carry the key to forget; an empty one stands for all
 * @param most keys remembered, unknown ones too, so that a stampede on a typo is cheap
 */
export async function openDirectory<Facts extends object>(
  changes: Changes,
  { channel, most, read }: { channel: string; most: number; read: (key: string) => Promise<Facts | null> },
): Promise<Directory<Facts>> {
  // LRUCache holds no null: an unknown key is kept as `false`.
  const known = new LRUCache<string, Facts | false>({ max: most });
  const reads = new Map<string, Promise<Facts | null>>();

  function forget(key: string) {
    known.delete(key);
    reads.delete(key); // A read that began before the change must not be remembered.
  }
  function forgetAll() {
    known.clear();
    reads.clear();
  }

  await changes.on(channel, key => (key === '' ? forgetAll() : forget(key)));
  changes.onReconnect(forgetAll);

  return {
    find(key) {
      const found = known.get(key);
      if (found !== undefined) return Promise.resolve(found || null);
      const running = reads.get(key);
      if (running) return running;
      const reading = read(key).then(
        facts => {
          if (reads.get(key) === reading) {
            reads.delete(key);
            known.set(key, facts ?? false);
          }
          return facts;
        },
        error => {
          if (reads.get(key) === reading) reads.delete(key);
          throw error;
        },
      );
      reads.set(key, reading);
      return reading;
    },
    peek(key) {
      const found = known.get(key);
      return found === undefined ? undefined : found || null;
    },
    forget,
  };
}
