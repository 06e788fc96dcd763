import type { Directory } from '@claimline/coupons';
import type { Outcomes } from './outcomes.ts';
import type { TicketReader } from './read-ticket.ts';
import type { Boarded, Trains, Wish } from './train.ts';

/** One person's claim, with or without waiting for the outcome. */
export function createClaimVerb({
  directory,
  trains,
  outcomes,
  reader,
}: {
  directory: Directory;
  trains: Trains;
  outcomes: Outcomes;
  reader: TicketReader;
}) {
  return {
    /** Up to a place in line, or the refusal at the gate. */
    claim: trains.board,

    /** As `claim`, and waits for the outcome up to `waitMs`. */
    async claimAndWait(
      couponName: string,
      wish: Wish,
      waitMs: number,
      signal: AbortSignal,
    ): Promise<Boarded> {
      const untilMs = performance.now() + waitMs;
      for (;;) {
        const boarded = await trains.board(couponName, wish);
        if (boarded.kind !== 'queued') return boarded;
        reader.rememberName(boarded.coupon.id, boarded.coupon.name);
        // Who joins may join in the instant in which the ticket is decided, and would wait for old news.
        const joined = boarded.joined && (await reader.read(boarded.ticket).catch(() => null));
        if (boarded.joined && (!joined || joined.decided)) return boarded;
        await waitFor(boarded.ticket, untilMs, signal);
        // The coupon this ticket was for has been replaced meanwhile: claim the one that is there now.
        const decision = outcomes.get(boarded.ticket);
        const isGone = decision?.status === 'refused' && decision.reason === 'coupon_not_found';
        if (!isGone || boarded.joined || performance.now() >= untilMs) return boarded;
        directory.forget(couponName);
      }
    },

    waitFor,
  };

  async function waitFor(ticket: string, untilMs: number, signal: AbortSignal) {
    if (!outcomes.get(ticket)) await outcomes.wait(ticket, untilMs - performance.now(), signal);
  }
}

export type ClaimVerb = ReturnType<typeof createClaimVerb>;
