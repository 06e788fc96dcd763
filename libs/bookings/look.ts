import type { Charge } from '@claimline/payments';
import { conclude } from './conclude.ts';
import type { House } from './house.ts';
import type { PaymentRow } from './payment.ts';

/**
 * Asks the provider what became of a payment's charge and draws the conclusion. What was not charged yet is
 * canceled, since whoever knew the token is gone; so is what has been pending for too long.
 * @param payment taken up, or told of by a webhook
 * @throws ProviderAwayError
 */
export async function lookAtCharge(house: House, payment: PaymentRow, isTakenUp: boolean): Promise<void> {
  const { charge_id: chargeId, status } = payment;
  if (chargeId === null) {
    if (isTakenUp) await conclude(house, payment, { status: 'failed', reason: 'interrupted' });
    return;
  }
  const provider = house.providers.take(payment.provider);
  const told = await provider.read(chargeId);
  const isFinal = status === 'booked' || status === 'undone' || status === 'failed';
  // A final payment whose charge has succeeded after all is paid back, by the same statement.
  if (told.status === 'succeeded' || isFinal) {
    if (told.status === 'succeeded') await conclude(house, payment, told);
    return;
  }
  if (status === 'charging' && !isTakenUp) return; // Somebody is at it, and draws the conclusion.
  if (isWaitedFor(payment, told)) {
    await conclude(house, payment, { status: 'pending', reason: null });
    return;
  }
  const canceled = await provider.cancel(chargeId);
  await conclude(house, payment, { ...canceled, reason: told.reason ?? canceled.reason });
}

/**
 * A pending one may still be open at the provider: the payer has not done their part yet, or takes another card.
 * With a token there is no other: what was tried has failed.
 */
function isWaitedFor({ status, is_overdue, is_payers_turn }: PaymentRow, told: Charge): boolean {
  if (is_overdue) return false;
  if (told.status === 'pending') return true;
  return told.status === 'open' && status === 'pending' && (is_payers_turn || told.reason === null);
}
