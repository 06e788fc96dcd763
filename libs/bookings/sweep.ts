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
  const { leaseSeconds, holdSeconds } = sagaLimits;
  const one = { most: 1, leaseSeconds };
  const payments = await eachOf(
    () => takeDuePayments(sql, one),
    async payment => {
      const leave = () => leavePayment(sql, payment.id, { seconds: againIn(payment.runs), holdSeconds });
      await carryOn(() => lookAtCharge(house, payment, true), leave, onError);
    },
  );
  const refunds = await eachOf(
    () => takeDueRefunds(sql, one),
    async refund => {
      const leave = () => leaveRefund(sql, refund.id, againIn(refund.runs), refund.reason);
      await carryOn(() => carryOutRefund(house, refund.id), leave, onError);
    },
  );
  return payments + refunds;
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

/**
 * A few hands, each of which takes up one thing when it has done the one before: what waits in a queue here would
 * lose its lease meanwhile. Answers how many were taken up, `bite` at the most.
 */
async function eachOf<T>(take: () => Promise<T[]>, work: (item: T) => Promise<void>): Promise<number> {
  let begun = 0;
  let taken = 0;
  const hands = Array.from({ length: sagaLimits.atOnce }, async () => {
    while (begun++ < sagaLimits.bite) {
      const [item] = await take();
      if (item === undefined) return;
      taken++;
      await work(item);
    }
  });
  await Promise.all(hands);
  return taken;
}
