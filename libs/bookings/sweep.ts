import { ProviderAwayError } from '@claimline/payments';
import { againIn, type House, sagaLimits } from './house.ts';
import { lookAtCharge } from './look.ts';
import { leavePayment, takeDuePayments } from './payment.ts';
import { carryOutRefund } from './refund.ts';
import { leaveRefund, takeDueRefunds } from './refund-row.ts';

/**
 * Takes up what nobody works on any more: payments whose process died, pending ones that nobody was told of,
 * and refunds that are still owed. Answers how many it took up.
 * @param onError told of what could not be carried on, which is tried again later
 */
export async function resumePayments(house: House, onError: (error: unknown) => void): Promise<number> {
  const { sql } = house;
  const { bite: most, leaseSeconds, holdSeconds } = sagaLimits;
  const payments = await takeDuePayments(sql, { most, leaseSeconds });
  await eachOf(payments, async payment => {
    const leave = () => leavePayment(sql, payment.id, { seconds: againIn(payment.runs), holdSeconds });
    await carryOn(() => lookAtCharge(house, payment, true), leave, onError);
  });
  const refunds = await takeDueRefunds(sql, { most, leaseSeconds });
  await eachOf(refunds, async refund => {
    const leave = () => leaveRefund(sql, refund.id, againIn(refund.runs), refund.reason);
    await carryOn(() => carryOutRefund(house, refund.id), leave, onError);
  });
  return payments.length + refunds.length;
}

async function carryOn(
  work: () => Promise<unknown>,
  leave: () => Promise<void>,
  onError: (error: unknown) => void,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof ProviderAwayError)) onError(error);
    await leave();
  }
}

/** Each in turn, a few at once. */
async function eachOf<T>(items: T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = items.values();
  const hands = Array.from({ length: sagaLimits.atOnce }, async () => {
    for (const item of queue) await work(item);
  });
  await Promise.all(hands);
}
