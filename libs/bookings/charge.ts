import { conclude } from './conclude.ts';
import { type House, sagaLimits } from './house.ts';
import { findPayment, type PaymentRow, storeCharge } from './payment.ts';

/**
 * Carries a payment on from where it is to its end, or until it is pending: the charge is prepared, its id
 * stored, then charged, then concluded. The caller has taken the payment up.
 *
 * @returns the payment as it is then, and what the payer's device needs to finish it, where it does
 * @throws ProviderAwayError: what came of it is for whoever takes it up next to find out
 */
export async function charge(
  house: House,
  payment: PaymentRow,
  token: string | null,
): Promise<{ payment: PaymentRow; clientSecret: string | null }> {
  const { sql, providers, reach } = house;
  const { id, reservation_id: reservationId, amount, currency } = payment;
  const now = async (clientSecret: string | null = null) => ({
    payment: (await findPayment(sql, id)) ?? payment,
    clientSecret,
  });
  if (amount === 0) {
    await conclude(house, payment, { status: 'succeeded', reason: null });
    return now();
  }
  const provider = providers.take(payment.provider);
  let chargeId = payment.charge_id;
  if (chargeId === null) {
    const prepared = await provider.prepare({ paymentId: id, reservationId, amount, currency });
    if ('refusal' in prepared) {
      await conclude(house, payment, { status: 'failed', reason: prepared.refusal });
      return now();
    }
    chargeId = prepared.id;
    reach('charge prepared');
    const { leaseSeconds } = sagaLimits;
    if (!(await storeCharge(sql, id, { chargeId, leaseSeconds }))) return now();
    reach('charge stored');
  }
  let outcome = await provider.charge(chargeId, { paymentId: id, token });
  reach('charged');
  if (outcome.status === 'open') {
    const canceled = await provider.cancel(chargeId);
    outcome = { ...canceled, reason: outcome.reason ?? canceled.reason };
  }
  await conclude(house, payment, outcome);
  return now(outcome.clientSecret);
}
