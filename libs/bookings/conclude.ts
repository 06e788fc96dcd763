import { sqlFile } from '@claimline/db/sql-file';
import type { Charge } from '@claimline/payments';
import { metrics } from '@claimline/telemetry/metrics';
import { type House, sagaLimits } from './house.ts';
import type { PaymentRow, PaymentStatus } from './payment.ts';
import { carryOutRefund } from './refund.ts';
import { newRefundId } from './refund-row.ts';

const bookStatement = sqlFile(import.meta.url, './book.sql');
const pendStatement = sqlFile(import.meta.url, './pend.sql');
const failStatement = sqlFile(import.meta.url, './fail.sql');

/** What is known of a charge, as far as a payment is concerned. */
export type Outcome = Pick<Charge, 'status' | 'reason'>;

/**
 * Draws the conclusion from what became of a charge, in one statement: a booking, a refund, a pending booking,
 * or nothing. It may be drawn twice and by two at once, and is the same. Answers what the payment is now.
 */
export async function conclude(house: House, { id }: PaymentRow, outcome: Outcome): Promise<PaymentStatus> {
  const status = await write(house, id, outcome);
  metrics.payments.inc({ status });
  return status;
}

async function write(house: House, id: string, { status, reason }: Outcome): Promise<PaymentStatus> {
  const { leaseSeconds, lookSeconds, holdSeconds } = sagaLimits;
  const { sql, pendingSeconds, reach } = house;
  if (status === 'pending') {
    const params = [id, pendingSeconds, lookSeconds, holdSeconds];
    return statusOf(await sql.unsafe<Row[]>(pendStatement, params, { prepare: true }));
  }
  if (status !== 'succeeded') {
    const params = [id, reason ?? 'not_charged'];
    return statusOf(await sql.unsafe<Row[]>(failStatement, params, { prepare: true }));
  }
  const params = [id, newRefundId(), leaseSeconds];
  const rows = await sql.unsafe<(Row & { refund_id: string | null })[]>(bookStatement, params, {
    prepare: true,
  });
  const becomes = statusOf(rows);
  reach('outcome stored');
  const refundId = rows[0]?.refund_id;
  if (refundId) await carryOutRefund(house, refundId);
  return becomes;
}

type Row = { status: PaymentStatus };

function statusOf([row]: readonly Row[]): PaymentStatus {
  if (!row) throw new Error('a payment vanished while it was under way');
  return row.status;
}
