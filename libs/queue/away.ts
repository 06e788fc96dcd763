import { DeadlineError } from '@claimline/kernel/backoff';

/** What the Redis client says of a connection that was lost, is not there yet, or does not answer. */
const lost =
  /^(?:Connection is closed\.|Stream isn't writeable|Command timed out|Command aborted|Reached the max retries)/;

/** What Redis answers when it cannot do anything, or nothing new, at this moment. */
const unable =
  /^(?:LOADING|OOM|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|BUSY|MISCONF|NOREPLICAS) |OOM command not allowed/;

/** True when trying again later is the right answer to this error of the queue's store on Redis. */
export function isQueueAway(error: unknown): boolean {
  if (error instanceof DeadlineError) return true;
  return error instanceof Error && (lost.test(error.message) || unable.test(error.message));
}
