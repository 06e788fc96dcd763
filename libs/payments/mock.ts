import type { Sql } from '@claimline/db/pool';
import { AppError } from '@claimline/kernel/error';
import { isMockSignature, readMockSecret } from './mock-signature.ts';
import { courseOf, MOCK_SETTLE_MS, UNREFUNDABLE } from './mock-tokens.ts';
import { settleMockCharges } from './mock-webhooks.ts';
import {
  type Charge,
  type Delivery,
  type Notice,
  type Provider,
  ProviderAwayError,
  type Refund,
} from './provider.ts';

type Row = Pick<Charge, 'id' | 'status' | 'amount' | 'currency' | 'reason'>;

/**
 * A provider that takes no money, for trying out and for tests: the token says what comes of a charge
 * (mock-tokens.ts). Its books are tables of their own, so that it knows what it did whoever dies. It sends
 * webhooks as a real one does, by a worker, to where the API that made the charge listens.
 */
export function createMock(sql: Sql, notifyUrl: () => string | null): Provider {
  let secret: Promise<string> | undefined;

  async function read(chargeId: string): Promise<Charge> {
    await settleMockCharges(sql, chargeId);
    const [row] = await sql<Row[]>`
      select id, status, amount, currency, reason from mock_charges where id = ${chargeId}`;
    if (!row) throw new ProviderAwayError('mock', new Error(`there is no charge ${chargeId}`));
    return { ...row, clientSecret: null };
  }

  async function readRefund(id: string): Promise<Refund> {
    const [row] = await sql<{ status: 'succeeded' | 'failed' }[]>`
      select status from mock_refunds where id = ${id.replace(/^mock_/, '')}`;
    if (!row) throw new ProviderAwayError('mock', new Error(`there is no refund ${id}`));
    return { id, status: row.status, reason: row.status === 'failed' ? 'refund_refused' : null };
  }

  return {
    name: 'mock',
    async prepare({ paymentId, amount, currency }) {
      const id = `mock_${paymentId}`;
      await sql`
        insert into mock_charges (id, amount, currency, notify_url) values (${id}, ${amount}, ${currency}, ${notifyUrl()})
        on conflict (id) do nothing`;
      return { id };
    },
    async charge(chargeId, { token }) {
      const { status, reason = null, laterAs = null, isAnswerLost } = courseOf(token);
      await sql`
        with charged as (
          update mock_charges
          set status = ${status}, token = ${token}, reason = ${laterAs === null ? reason : null}, settles_as = ${laterAs},
            settles_at = case when ${laterAs}::text is not null then now() + ${MOCK_SETTLE_MS} * interval '1 ms' end
          where id = ${chargeId} and status = 'open'
          returning id, status, notify_url
        )
        insert into mock_webhooks (url, type, charge_id)
        select notify_url, 'charge.' || status, id from charged where notify_url is not null`;
      if (isAnswerLost) throw new ProviderAwayError('mock', new Error('the answer was lost'));
      return read(chargeId);
    },
    read,
    async cancel(chargeId) {
      await settleMockCharges(sql, chargeId);
      await sql`
        update mock_charges set status = 'failed', reason = 'canceled', settles_at = null, settles_as = null
        where id = ${chargeId} and status in ('open', 'pending')`;
      return read(chargeId);
    },
    async refund({ refundId, chargeId, amount, refusals }) {
      // Under the charge's row lock, several refunds never come to more than was charged. One that was refused is
      // judged again where the caller has taken note of that.
      await sql`
        with charge as materialized (select * from mock_charges where id = ${chargeId} for update),
        made as (
          insert into mock_refunds (id, charge_id, amount, refusals, status)
          select ${refundId}, id, ${amount}, ${refusals}, case
              when status = 'succeeded' and token is distinct from ${UNREFUNDABLE}
                and refunded_amount + ${amount} <= amount then 'succeeded'
              else 'failed' end
          from charge
          on conflict (id) do update set status = excluded.status, refusals = excluded.refusals
          where mock_refunds.status = 'failed' and mock_refunds.refusals < excluded.refusals
          returning status
        )
        update mock_charges set refunded_amount = refunded_amount + ${amount} from made
        where id = ${chargeId} and made.status = 'succeeded'`;
      return readRefund(`mock_${refundId}`);
    },
    readRefund,
    async readNotice(delivery) {
      secret ??= readMockSecret(sql).catch(error => {
        secret = undefined;
        throw error;
      });
      return readNotice(await secret, delivery);
    },
  };
}

function readNotice(secret: string, { header, body }: Delivery): Notice {
  if (!isMockSignature(secret, header('mock-signature'), body))
    throw new AppError('unauthorized', 'the signature is not valid, or too old');
  const { id, type, charge_id, refund_id = null } = JSON.parse(body.toString('utf8'));
  return { id, type, chargeId: charge_id, refundId: refund_id };
}
