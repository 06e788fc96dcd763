import type { House } from './house.ts';
import { sagaLimits } from './house.ts';
import { lookAtCharge } from './look.ts';
import { findPaymentOfCharge } from './payment.ts';
import { carryOutRefund, lookAtRefund } from './refund.ts';
import { takeDueRefunds } from './refund-row.ts';

export const noticeLimits = {
  /** How long a webhook is known: longer than any provider repeats one. */
  keptDays: 30,
  bite: 5000,
} as const;

/** A verified webhook of a provider; `refundId` is the provider's id of the refund that it is about, if it is. */
export type Notice = {
  provider: string;
  id: string;
  type: string;
  chargeId: string;
  refundId: string | null;
};

/**
 * Acts on a provider's webhook: it says that there is something to look at, and what that is the provider is
 * asked. So the order of webhooks does not matter, and one that comes twice changes nothing.
 * @returns false for one that was acted on before
 * @throws ProviderAwayError: the sender should come again
 */
export async function applyNotice(house: House, notice: Notice): Promise<boolean> {
  const { sql } = house;
  const { provider, id, type, chargeId, refundId: providerRefundId } = notice;
  const payment = await findPaymentOfCharge(sql, provider, chargeId);
  const [known] = await sql<{ was_applied: boolean }[]>`
    insert into payment_notices as kept (provider, notice_id, type, payment_id)
    values (${provider}, ${id}, ${type}, ${payment?.id ?? null})
    on conflict (provider, notice_id) do update set type = excluded.type
    returning applied_at is not null as was_applied`;
  if (known?.was_applied) return false;
  if (payment) {
    await lookAtCharge(house, payment, false);
    const { bite: most, leaseSeconds } = sagaLimits;
    for (const refund of await takeDueRefunds(sql, { paymentId: payment.id, most, leaseSeconds }))
      await carryOutRefund(house, refund.id);
    if (providerRefundId !== null)
      await lookAtRefund(house, { provider, paymentId: payment.id, providerRefundId });
  }
  await sql`update payment_notices set applied_at = now() where provider = ${provider} and notice_id = ${id}`;
  return true;
}

/** Forgets webhooks that no provider repeats any more; answers how many. */
export async function pruneNotices(sql: House['sql']): Promise<number> {
  let pruned = 0;
  for (;;) {
    const { count } = await sql`
      delete from payment_notices where (provider, notice_id) in (
        select provider, notice_id from payment_notices
        where received_at < now() - ${noticeLimits.keptDays} * interval '1 day'
        limit ${noticeLimits.bite} for update skip locked
      )`;
    pruned += count;
    if (count < noticeLimits.bite) return pruned;
  }
}
