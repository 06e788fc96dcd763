import { AppError } from '@claimline/kernel/error';
import type { z } from 'zod';

/** A ticket as it is seen: its body, Retry-After in seconds while it is queued, and what changes when it does. */
export type Seen = {
  body: { status: string };
  retryAfter: number | null;
  version: string;
};

/** A kind of tickets: where one is read and waited for. */
export type TicketSource = {
  /** What the API shows of one. */
  schema: z.ZodType;
  /** Null for a ticket of another kind. Error: `ticket_lost`. */
  read(ticket: string): Promise<Seen | null>;
  /** Whether its outcome was heard of here. */
  isHeard(ticket: string): boolean;
  /** Resolves when there may be an outcome, or after `waitMs`, or when `signal` aborts. */
  wait(ticket: string, waitMs: number, signal: AbortSignal): Promise<void>;
};

/** A ticket and the kind it is of. Errors: `ticket_not_found` for one that was never issued, `ticket_lost`. */
export async function findTicket(
  sources: TicketSource[],
  ticket: string,
): Promise<{ source: TicketSource; seen: Seen }> {
  for (const source of sources) {
    const seen = await source.read(ticket);
    if (seen) return { source, seen };
  }
  throw new AppError('ticket_not_found', 'ticket not found');
}
