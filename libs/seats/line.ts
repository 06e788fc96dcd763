import { LRUCache } from 'lru-cache';

export const lineLimits = {
  /** Undecided requests that a process remembers. */
  most: 100_000,
  /**
   * How long one is taken to be in the queue without looking. After that its job may be gone with the queue
   * store, and somebody who asks for it is worth a look.
   */
  sureMs: 5000,
} as const;

/** Who is in line by what this process has accepted and not yet heard of: reading such a ticket costs no look. */
export type Line = {
  enter(ticket: string, userId: string): void;
  leave(ticket: string): void;
  /** Whose undecided ticket it is, where it is in the queue for sure. */
  findUser(ticket: string): string | undefined;
  /** Whatever is remembered may have been decided unheard. */
  forgetAll(): void;
};

export function createLine(): Line {
  const users = new LRUCache<string, string>({ max: lineLimits.most, ttl: lineLimits.sureMs });
  return {
    enter: (ticket, userId) => void users.set(ticket, userId),
    leave: ticket => void users.delete(ticket),
    findUser: ticket => users.get(ticket),
    forgetAll: () => users.clear(),
  };
}
