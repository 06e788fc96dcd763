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

type Place = { eventId: string; userId: string; key: string; ticket: string };

/** Who is in line by what this process has accepted and not yet heard of. */
export type Line = {
  /** The ticket that is in line for the same wish of the same person: theirs from before, or this one. */
  enter(place: Place): string;
  leave(ticket: string): void;
  /** An undecided ticket that is in the queue for sure. */
  find(ticket: string): Place | undefined;
  /** Whatever is remembered may have been decided unheard. */
  forgetAll(): void;
};

export function createLine(): Line {
  const options = { max: lineLimits.most, ttl: lineLimits.sureMs };
  const byTicket = new LRUCache<string, Place>(options);
  const byWish = new LRUCache<string, string>(options);
  const wishOf = ({ eventId, userId, key }: Place) => JSON.stringify([eventId, userId, key]);

  return {
    enter(place) {
      const wish = wishOf(place);
      const known = byWish.get(wish);
      if (known !== undefined) return known;
      byWish.set(wish, place.ticket);
      byTicket.set(place.ticket, place);
      return place.ticket;
    },
    leave(ticket) {
      const place = byTicket.get(ticket);
      if (!place) return;
      byTicket.delete(ticket);
      byWish.delete(wishOf(place));
    },
    find: ticket => byTicket.get(ticket),
    forgetAll() {
      byTicket.clear();
      byWish.clear();
    },
  };
}
