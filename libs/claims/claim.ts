import type { Directory } from '@claimline/coupons';
import { beforeTurningAway, type Load } from '@claimline/http/load';
import { AppError } from '@claimline/kernel/error';
import type { Tickets } from '@claimline/tickets/ticket';
import type { Gate } from './gate.ts';
import type { Outcomes } from './outcomes.ts';
import type { TicketReader } from './read-ticket.ts';
import type { Boarded, Trains, Wish } from './train.ts';

const limits = {
  /** Boardings of one claim that meet an old ticket of the same person. */
  roundsMost: 3,
} as const;

/** One person's claim, with or without waiting for the outcome. */
export function createClaimVerb({
  directory,
  gate,
  tickets,
  trains,
  outcomes,
  reader,
  rest,
}: {
  directory: Directory;
  gate: Gate;
  tickets: Tickets;
  trains: Trains;
  outcomes: Outcomes;
  reader: TicketReader;
  /** Where the waiting for outcomes is done. */
  rest: Load['rest'];
}) {
  /**
   * Up to a place in line, or the refusal at the gate. Who joins may join in the instant between the
   * outcome and the gate's hearing of it: that ticket is old, and the claim boards again.
   */
  async function claim(couponName: string, wish: Wish): Promise<Boarded> {
    for (let round = 1; ; round++) {
      const boarded = await trains.board(couponName, wish);
      if (boarded.kind === 'refused') return (await findOwn(couponName, wish, boarded.heldTicket)) ?? boarded;
      if (boarded.kind === 'overloaded') await rest(beforeTurningAway);
      if (boarded.kind !== 'queued') return boarded;
      reader.rememberName(boarded.coupon.id, boarded.coupon.name);
      if (!boarded.joined) return boarded;
      const own = await findOwn(couponName, wish, null);
      if (own) return own;
      const { ticket, line } = boarded;
      // In line as far as anybody has heard: the gate has just said so.
      if (line !== null && !outcomes.isDecided(ticket))
        return { ...boarded, createdAtMs: tickets.read(ticket)?.createdAtMs ?? boarded.createdAtMs };
      const place = await findPlace(ticket);
      if (place) {
        const { line, state, createdAtMs } = place;
        return { ...boarded, line, state, createdAtMs };
      }
      if (round === limits.roundsMost)
        throw new AppError('unavailable', 'the place in line was just lost, claim again', {
          retryAfterSeconds: 1,
        });
      await gate.giveBack(boarded.coupon.id, [{ userId: wish.userId, ticket: boarded.ticket }]);
    }
  }

  /**
   * Where a refusal, or a place by another request of the same person, meets a fixed ticket that an earlier run may
   * have used: what became of that ticket.
   */
  async function findOwn(couponName: string, { fixed }: Wish, heldTicket: string | null) {
    if (!fixed || (fixed.run === 1 && heldTicket !== fixed.ticket)) return null;
    const coupon = await directory.find(couponName);
    const own = coupon && (await readUnlessLost(fixed.ticket));
    if (!own) return null;
    const { ticket, createdAtMs, line, state } = own;
    return { kind: 'queued' as const, coupon, ticket, createdAtMs, joined: false, line, state };
  }

  /** An undecided ticket's place, or null when it is decided or lost. */
  async function findPlace(ticket: string) {
    const place = await readUnlessLost(ticket);
    return place && !place.decided ? place : null;
  }

  async function readUnlessLost(ticket: string) {
    try {
      return await reader.read(ticket);
    } catch (error) {
      if (error instanceof AppError && error.problem.code === 'ticket_lost') return null;
      throw error;
    }
  }

  /** Resolves when the ticket may be decided, or at performance.now() of `untilMs`. */
  async function waitFor(ticket: string, untilMs: number, signal: AbortSignal) {
    if (!outcomes.get(ticket)) await rest(() => outcomes.wait(ticket, untilMs - performance.now(), signal));
  }

  /** As {@link claim}, and waits for the outcome up to `waitMs`. */
  async function claimAndWait(couponName: string, wish: Wish, waitMs: number, signal: AbortSignal) {
    const untilMs = performance.now() + waitMs;
    for (;;) {
      const boarded = await claim(couponName, wish);
      if (boarded.kind !== 'queued') return boarded;
      await waitFor(boarded.ticket, untilMs, signal);
      // The coupon this ticket was for has been replaced meanwhile: claim the one that is there now.
      const decision = outcomes.get(boarded.ticket);
      const isGone = decision?.status === 'refused' && decision.reason === 'coupon_not_found';
      if (!isGone || boarded.joined || performance.now() >= untilMs) return boarded;
      directory.forget(couponName);
    }
  }

  /** A ticket for a claim that is made later, or null where there is no such coupon. */
  async function issueTicket(couponName: string): Promise<string | null> {
    const coupon = await directory.find(couponName);
    return coupon && (tickets.issue(coupon.id, Date.now(), 1)[0] as string);
  }

  return { claim, claimAndWait, waitFor, issueTicket };
}

export type ClaimVerb = ReturnType<typeof createClaimVerb>;
