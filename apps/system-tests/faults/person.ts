import type { Sale } from './sale.ts';

/** What a person was told in the end. `user` is who the ticket says it is for, `text` all that it says. */
export type Told =
  | {
      status: 'granted';
      ticket: string;
      user: string | undefined;
      sequence: number | undefined;
      code: string | null;
      text: string;
    }
  | { status: 'refused'; reason: string; ticket: string; user: string | undefined; text: string }
  /** Refused at the gate, without a ticket. */
  | { status: 'turned away'; reason: string; atMs: number }
  /** Already claimed, without a ticket to look at. */
  | { status: 'holds' }
  /** Something that nobody should be told; it is among the findings. */
  | { status: 'wrong' };

/** Somebody who wants one unit of a sale. */
export interface Person {
  user: string;
  sale: Sale;
  /** The ticket that is looked at. */
  ticket: string | undefined;
  /** performance.now() when a claim was sent and accepted that got a place of its own at the first try. */
  place: { sentMs: number; acceptedMs: number } | undefined;
  /** performance.now() of the newest look at the ticket. */
  askedMs: number;
  told: Told | undefined;
  lost: number;
}

/** A person who has done nothing yet. */
export function newPerson(user: string, sale: Sale): Person {
  return { user, sale, ticket: undefined, place: undefined, askedMs: 0, told: undefined, lost: 0 };
}
