import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { Delivery, Provider } from './provider.ts';

/** What a provider's test brings to the suite. */
export type Subject = {
  provider: Provider;
  /** A token that is charged at once. */
  token: string;
  /** Whether it remembers what was asked of it; a server of canned answers does not. */
  isStateful: boolean;
  /** A webhook about the charge, as the provider would send it at that time. */
  deliver(chargeId: string, sentS: number): Promise<{ header: string; value: string; body: string }>;
};

const nowS = () => Math.floor(Date.now() / 1000);

/** What every provider promises. */
export function providerSuite(subject: () => Subject): void {
  const order = (amount = 1234) => ({
    paymentId: `pay_${randomUUID()}`,
    reservationId: randomUUID(),
    amount,
    currency: 'EUR',
  });

  async function prepare(given: ReturnType<typeof order>): Promise<string> {
    const prepared = await subject().provider.prepare(given);
    if ('refusal' in prepared) throw new Error(prepared.refusal);
    return prepared.id;
  }

  async function delivered(chargeId: string, sentS: number): Promise<Delivery & { altered: Delivery }> {
    const { header, value, body } = await subject().deliver(chargeId, sentS);
    const carry = (text: string): Delivery => ({
      header: name => (name === header ? value : undefined),
      body: Buffer.from(text),
    });
    return { ...carry(body), altered: carry(body.replace(chargeId, `${chargeId}x`)) };
  }

  describe('charging', () => {
    test('what is prepared has an id and takes nothing', async () => {
      const { provider } = subject();
      const id = await prepare(order());
      expect(id).toMatch(/\S/);
      const charge = await provider.read(id);
      expect(charge.id).toBe(id);
      expect(charge.currency).toMatch(/^[A-Z]{3}$/);
      expect(charge.status).not.toBe('succeeded');
    });

    test('prepared and charged again it is one charge', async () => {
      const { provider, token, isStateful } = subject();
      const given = order();
      const ids = await Promise.all([prepare(given), prepare(given)]);
      if (isStateful) expect(ids[0]).toBe(ids[1]);
      const [id] = ids;
      const charges = await Promise.all(
        [1, 2].map(() => provider.charge(id, { paymentId: given.paymentId, token })),
      );
      expect(charges[0]).toEqual(charges[1]);
      expect(charges[0]).toMatchObject({ id });
      if (!isStateful) return;
      expect(charges[0]).toMatchObject({ status: 'succeeded', amount: 1234, currency: 'EUR', reason: null });
      expect(await provider.read(id)).toEqual(charges[0]);
    });

    test('canceled before it is charged it is never charged', async () => {
      const { provider, token, isStateful } = subject();
      const given = order();
      const id = await prepare(given);
      const canceled = await provider.cancel(id);
      expect(canceled.id).toBe(id);
      if (!isStateful) return;
      expect(canceled.status).toBe('failed');
      expect((await provider.charge(id, { paymentId: given.paymentId, token })).status).toBe('failed');
    });

    test('canceled too late it has succeeded', async () => {
      const { provider, token, isStateful } = subject();
      const given = order();
      const id = await prepare(given);
      await provider.charge(id, { paymentId: given.paymentId, token });
      const canceled = await provider.cancel(id);
      if (isStateful) expect(canceled.status).toBe('succeeded');
    });
  });

  describe('refunding', () => {
    async function charged(amount: number) {
      const { provider, token } = subject();
      const given = order(amount);
      const chargeId = await prepare(given);
      await provider.charge(chargeId, { paymentId: given.paymentId, token });
      const refund = (amount: number, refundId = `rfd_${randomUUID()}`) =>
        provider.refund({ refundId, chargeId, amount, currency: 'EUR', refusals: 0 });
      return { refund };
    }

    test('one id is one refund, and parts come to no more than the whole', async () => {
      const { refund } = await charged(1000);
      const first = await Promise.all([refund(400, 'rfd_a'), refund(400, 'rfd_a')]);
      expect(first[0]).toMatchObject({ status: 'succeeded', reason: null });
      expect(await subject().provider.readRefund(first[0]!.id)).toMatchObject({ status: 'succeeded' });
      if (!subject().isStateful) return;
      expect(first[0]).toEqual(first[1]);
      expect((await refund(600)).status).toBe('succeeded');
      expect(await refund(1)).toMatchObject({ status: 'failed', reason: expect.any(String) });
    });
  });

  describe('webhooks', () => {
    test('a genuine one tells which charge it is about', async () => {
      const { provider } = subject();
      const id = await prepare(order());
      const notice = await provider.readNotice(await delivered(id, nowS()));
      expect(notice).toMatchObject({
        chargeId: id,
        id: expect.any(String),
        type: expect.any(String),
        refundId: null,
      });
    });

    test.each([
      ['altered', 0],
      ['old', -3600],
    ])('one that is %s is refused', async (what, agoS) => {
      const { provider } = subject();
      const genuine = await delivered(await prepare(order()), nowS() + agoS);
      const given = what === 'altered' ? genuine.altered : genuine;
      await expect(provider.readNotice(given)).rejects.toMatchObject({ problem: { code: 'unauthorized' } });
    });

    test('one without a signature is refused', async () => {
      const { body } = await delivered('x', nowS());
      const bare = subject().provider.readNotice({ header: () => undefined, body });
      await expect(bare).rejects.toMatchObject({ problem: { code: 'unauthorized' } });
    });
  });
}
