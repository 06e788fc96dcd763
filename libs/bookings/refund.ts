import { sqlFile } from '@claimline/db/sql-file';
import { AppError } from '@claimline/kernel/error';
import { ProviderAwayError } from '@claimline/payments';
import { metrics } from '@claimline/telemetry/metrics';
import { againIn, type House, sagaLimits } from './house.ts';
import { bookingNotFound } from './reference.ts';
import { findRefund, leaveRefund, type RefundRow, retryRefund } from './refund-row.ts';

const beginStatement = sqlFile(import.meta.url, './begin-refund.sql');
const settleStatement = sqlFile(import.meta.url, './settle-refund.sql');
const oweStatement = sqlFile(import.meta.url, './owe-refund.sql');

type Begun = {
  verdict:
    | 'ok'
    | 'same'
    | 'booking_not_found'
    | 'booking_not_confirmed'
    | 'already_refunded'
    | 'refund_exceeds_payment';
  left: number;
};

const sentences = {
  booking_not_confirmed: 'this booking is not paid for, so there is nothing to give back',
  already_refunded: 'this booking was paid back already',
  refund_exceeds_payment: 'this is more than what is left of the payment',
} as const;

/**
 * Gives back a booking's money: `amount` minor units of it, or with null all that is left, which cancels the
 * booking and frees its seats. The same id is the same refund.
 * @throws AppError with a code of the sentences above, `booking_not_found`, or `refund_failed`
 * Where the provider is away the refund stands as `refunding_amount` and is carried out later: an error would
 * invite a second one.
 */
export async function refundBooking(
  house: House,
  { reference, refundId, amount }: { reference: string; refundId: string; amount: number | null },
): Promise<void> {
  const [begun] = await house.sql.unsafe<Begun[]>(
    beginStatement,
    [reference, refundId, amount, sagaLimits.leaseSeconds],
    { prepare: true },
  );
  if (!begun || begun.verdict === 'booking_not_found') throw bookingNotFound();
  const { verdict, left } = begun;
  if (verdict !== 'ok' && verdict !== 'same')
    throw new AppError(verdict, sentences[verdict], { extra: { refundable_amount: left } });
  house.reach('refund begun');
  const refund = await carryOutRefund(house, refundId).catch(laterIfAway);
  if (refund?.status === 'failed')
    throw new AppError('refund_failed', 'the provider refused to give it back', {
      extra: { reason: refund.reason },
    });
}

function laterIfAway(error: unknown): undefined {
  if (!(error instanceof ProviderAwayError)) throw error;
}

/**
 * Has the provider give back what a refund says, and notes what came of it. Answers the refund as it is then, or
 * undefined for none of that id.
 * @throws ProviderAwayError
 */
export async function carryOutRefund(house: House, id: string): Promise<RefundRow | undefined> {
  const refund = await findRefund(house.sql, id);
  if (refund?.status !== 'pending') return refund;
  const { status, providerRefundId, reason } = await giveBack(house, refund);
  const { sql } = house;
  if (status === 'failed' && isOwed(refund))
    await retryRefund(sql, refund, { seconds: againIn(refund.runs), reason });
  else if (status === 'pending') await leaveRefund(sql, id, sagaLimits.lookSeconds, null);
  else await sql.unsafe(settleStatement, [id, status, providerRefundId, reason], { prepare: true });
  metrics.refunds.inc({ why: refund.why, status });
  return findRefund(sql, id);
}

/**
 * A charge that came to nothing is owed, and what was told as given back: it is tried again until somebody has seen
 * to it. What somebody asks for and is refused they may ask for again.
 */
function isOwed({ why, refusals }: RefundRow): boolean {
  return why === 'undo' || refusals > 0;
}

async function giveBack({ providers, reach }: House, refund: RefundRow) {
  const { id: refundId, provider, charge_id: chargeId, amount, currency, refusals } = refund;
  if (amount === 0 || chargeId === null)
    return { status: 'succeeded' as const, providerRefundId: null, reason: null };
  const { id, status, reason } = await providers
    .take(provider)
    .refund({ refundId, chargeId, amount, currency, refusals });
  reach('refunded');
  return { status, providerRefundId: id, reason };
}

/**
 * Asks the provider about a refund that counts as given back: days later the payer's bank may have sent the money
 * back. Then it is owed, and tried again.
 * @param providerRefundId the provider's id of it
 * @throws ProviderAwayError
 */
export async function lookAtRefund(
  { sql, providers }: House,
  {
    provider,
    paymentId,
    providerRefundId,
  }: { provider: string; paymentId: string; providerRefundId: string },
): Promise<void> {
  const [given] = await sql<Pick<RefundRow, 'id' | 'why' | 'runs'>[]>`
    select id, why, runs from refunds
    where payment_id = ${paymentId} and provider_refund_id = ${providerRefundId} and status = 'succeeded'`;
  if (!given) return;
  const { status, reason } = await providers.take(provider).readRefund(providerRefundId);
  if (status !== 'failed') return;
  await sql.unsafe(oweStatement, [given.id, providerRefundId, reason, againIn(given.runs)], {
    prepare: true,
  });
  metrics.refunds.inc({ why: given.why, status });
}
