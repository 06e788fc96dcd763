import type { ClaimAnswer } from './claim-answer.ts';

/**
 * The one ticket that all requests of one person were given, and what is wrong with them: two tickets, or not
 * exactly one request that was admitted while the others joined it or came after its grant. Answers that were
 * unexpected are counted elsewhere; one of them may have been the admitted one.
 */
export function onlyTicketOf(answers: ClaimAnswer[]): { ticket: string | undefined; faults: string[] } {
  const answered = answers.filter(({ said }) => said !== 'unexpected');
  const tickets = new Set(answered.map(({ ticket }) => ticket));
  const admitted = answered.filter(({ said }) => said === 'admitted').length;
  const faults: string[] = [];
  if (tickets.size > 1) faults.push(`one person was given ${tickets.size} tickets`);
  if (admitted > 1) faults.push(`${admitted} requests of one person were admitted as the first`);
  if (admitted === 0 && answered.length === answers.length)
    faults.push('no request was admitted as the first');
  return { ticket: answered[0]?.ticket, faults };
}
