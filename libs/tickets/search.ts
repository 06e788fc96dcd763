import { pause } from '@claimline/kernel/backoff';
import { AppError } from '@claimline/kernel/error';
import { LRUCache } from 'lru-cache';

export const searchLimits = {
  /** Lanes whose last search is remembered. */
  lanesMost: 50_000,
  /** A lane is searched for tickets at most this often; the answer is shared. */
  everyMs: 1000,
  /** Retry-After where a line is too long to be searched. */
  longLineRetryS: 5,
} as const;

type Found<Place> = { byTicket: Map<string, Place>; isComplete: boolean };
/** Who is in a lane's jobs, and when, by performance.now(), that was asked. */
type Search<Place> = { startedMs: number; found: Promise<Found<Place>> };

/**
 * Finds tickets in the jobs of their lane, for where nothing else knows of them. Everybody who asks within a
 * second shares one look.
 *
 * @param list who is in the lane of this subject
 */
export function createTicketSearch<Place extends { ticket: string }>(
  list: (subjectId: string) => Promise<{ inLine: Place[]; isComplete: boolean }>,
) {
  const searches = new LRUCache<string, Search<Place>>({
    max: searchLimits.lanesMost,
    ttl: searchLimits.everyMs,
  });

  function startSearch(subjectId: string): Search<Place> {
    const found = list(subjectId).then(({ inLine, isComplete }) => ({
      byTicket: new Map(inLine.map(one => [one.ticket, one])),
      isComplete,
    }));
    found.catch(() => searches.delete(subjectId));
    const search = { startedMs: performance.now(), found };
    searches.set(subjectId, search);
    return search;
  }

  /** A search that began after now: what an older one did not find may have been added since. */
  async function nextSearch(subjectId: string): Promise<Search<Place>> {
    const nowMs = performance.now();
    const last = searches.get(subjectId);
    if (last) await pause(last.startedMs + searchLimits.everyMs - nowMs);
    const newest = searches.get(subjectId);
    return newest && newest.startedMs >= nowMs ? newest : startSearch(subjectId);
  }

  /** The ticket's place, or undefined. Error: `unavailable` where the line is too long to tell. */
  return async (subjectId: string, ticket: string): Promise<Place | undefined> => {
    const known = (await searches.get(subjectId)?.found)?.byTicket.get(ticket);
    if (known) return known;
    const { byTicket, isComplete } = await (await nextSearch(subjectId)).found;
    const queued = byTicket.get(ticket);
    if (!queued && !isComplete)
      throw new AppError('unavailable', 'the line is too long to look for this ticket now, try again', {
        retryAfterSeconds: searchLimits.longLineRetryS,
      });
    return queued;
  };
}
