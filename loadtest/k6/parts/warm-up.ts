import { claimAtOnce, createCoupon, describe, getTicket, readCoupon } from './calls.ts';

export const WARM_UP_AT_ONCE = 20;

/**
 * Sends claims of distinct people on a coupon of half as many units, and reads what a scenario reads: a process that
 * has just started answers its first thousand requests many times slower. Throws at an answer that is none.
 */
export function warmUp(coupon: string, claims: number): void {
  createCoupon(coupon, Math.ceil(claims / 2));
  for (let first = 0; first < claims; first += WARM_UP_AT_ONCE) {
    const users = Array.from({ length: WARM_UP_AT_ONCE }, (_, index) => `${coupon}-${first + index}`);
    const answers = claimAtOnce(first, coupon, users);
    const strange = answers.find(({ status }) => status !== 202 && status !== 409);
    if (strange) throw new Error(`a claim of the warm-up answered ${describe(strange)}`);
    const ticket = answers[0]?.json('ticket');
    if (ticket) getTicket(first, String(ticket));
    readCoupon(coupon);
  }
}
