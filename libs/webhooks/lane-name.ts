const PREFIX = 'webhooks.';

/** The queue of a lane of deliveries, named after the endpoint or the origin that is called back. */
export function queueOf(lane: string): string {
  return PREFIX + lane;
}

/** The lane of a queue, or null for somebody else's queue. */
export function laneOf(queue: string): string | null {
  return queue.startsWith(PREFIX) ? queue.slice(PREFIX.length) : null;
}
