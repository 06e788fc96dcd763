import type { Sale } from './sale.ts';

/** What a person was told in the end. */
export type Told =
  | { status: 'granted'; ticket: string; sequence: number }
  | { status: 'refused'; reason: string; ticket: string | undefined; atMs: number }
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
  /** performance.now() of the newest acceptance, and of the newest look at the ticket. */
  acceptedMs: number;
  askedMs: number;
  told: Told | undefined;
  lost: number;
}

/** A person who has done nothing yet. */
export function newPerson(user: string, sale: Sale): Person {
  return { user, sale, ticket: undefined, acceptedMs: 0, askedMs: 0, told: undefined, lost: 0 };
}
