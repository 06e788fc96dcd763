import { bodyOf, latencyMs, type Response, show } from './calls.ts';
import { claims, latency, type Said } from './counts.ts';

export type ClaimAnswer = { said: Said; ticket: string | undefined };

type Body = { ticket?: string; deduplicated?: true; status?: string; code?: string };

/** Counts an answer to a claim, in either form, by what it says; whatever is not listed there is unexpected. */
export function countClaim(response: Response): ClaimAnswer {
  const body = bodyOf<Body>(response) ?? {};
  const said = judge(response.status, body);
  claims[said].add(1);
  latency.claim.add(latencyMs(response));
  if (said === 'unexpected') show('a claim', response);
  return { said, ticket: body.ticket };
}

/** The same of an answer to a request for seats that waited for the outcome, with how many seats it held. */
export function countReservation(response: Response): { said: Said; held: number } {
  const { code, seats = [] } = bodyOf<{ code?: string; seats?: unknown[] }>(response) ?? {};
  const isTaken = response.status === 409 && code === 'seat_taken';
  const said = response.status === 201 ? 'granted' : isTaken ? 'seat_taken' : 'unexpected';
  claims[said].add(1);
  latency.claim.add(latencyMs(response));
  if (said === 'unexpected') show('a request for seats', response);
  return { said, held: seats.length };
}

function judge(status: number, { ticket, deduplicated, status: state, code }: Body): Said {
  if (status === 202 && ticket) return deduplicated ? 'joined' : 'admitted';
  if (status === 200 && state === 'granted') return 'granted';
  if (status === 409 && code === 'already_claimed') return 'already_claimed';
  // 409, and 400 in the simple form.
  if ((status === 409 || status === 400) && code === 'sold_out') return 'sold_out';
  return 'unexpected';
}
