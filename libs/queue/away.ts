import { DeadlineError } from '@claimline/kernel/backoff';

/** What the clients say of a connection that was lost, is not there yet, or does not answer. */
const lost =
  /^(?:Connection is closed\.|Stream isn't writeable|Command timed out|Command aborted|Reached the max retries|Connection terminated|timeout exceeded when trying to connect|Too many Cluster redirections|Failed to refresh slots cache|None of startup nodes is available|Cluster (?:isn't ready|is ended|is disconnect))/;

/** What Redis answers when it cannot do anything, or nothing new, at this moment; of a cluster, when it moves or mends itself. */
const unable =
  /^(?:LOADING|OOM|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|MOVED|ASK|BUSY|MISCONF|NOREPLICAS) |OOM command not allowed/;

/**
 * True when trying again later is the right answer to this error of the queue's store. An error of Postgres
 * that has a code is for db/error.ts to know.
 */
export function isQueueAway(error: unknown): boolean {
  if (error instanceof DeadlineError) return true;
  return error instanceof Error && (lost.test(error.message) || unable.test(error.message));
}
