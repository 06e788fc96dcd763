import type { Directory } from '@claimline/coupons';
import type { Changes } from '@claimline/db/changes';
import type { Outcomes } from './outcomes.ts';
import type { TicketReader } from './read-ticket.ts';
import type { Boarded, Trains, Wish } from './train.ts';

/**
 * One person's claim, up to its place in line or its refusal at the gate.
 *
 * A refusal may rest on a coupon that was changed by hand an instant ago. So before one is spoken,
 * the notifications already on their way are waited for, together with everybody else who is being
 * refused (at most 500 trivial queries a second, whatever the stampede; none while Postgres is
 * away); if they were about this coupon, the claim boards once more.
 */
export function createClaimVerb(house: {
  directory: Directory;
  changes: Changes;
  trains: Trains;
  outcomes: Outcomes;
  reader: TicketReader;
}) {
  const { directory, changes, trains, outcomes, reader } = house;

  async function claim(couponName: string, wish: Wish): Promise<Boarded> {
    const boarded = await trains.board(couponName, wish);
    if (boarded.kind !== 'refused') return boarded;
    await changes.barrier();
    return directory.peek(couponName) === boarded.coupon ? boarded : trains.board(couponName, wish);
  }

  return {
    claim,

    /** As {@link claim}, and waits for the outcome up to `waitMs`. */
    async claimAndWait(
      couponName: string,
      wish: Wish,
      waitMs: number,
      signal: AbortSignal,
    ): Promise<Boarded> {
      const untilMs = performance.now() + waitMs;
      for (;;) {
        const boarded = await claim(couponName, wish);
        if (boarded.kind !== 'queued') return boarded;
        reader.rememberName(boarded.coupon.id, boarded.coupon.name);
        await waitFor(boarded.ticket, untilMs, signal);
        // The coupon this ticket was for has been replaced meanwhile: claim the one that is there now.
        const decision = outcomes.get(boarded.ticket)?.decision;
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
