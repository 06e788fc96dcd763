import { describe, expect, test } from 'vitest';
import { expectNoServerErrors, freshName, people } from '../agree.ts';
import { byStatus } from '../answers.ts';
import { type ClaimClient, couponPath } from '../claim-client.ts';
import type { ThisStack } from '../engines.ts';
import { expectProblem } from '../problem.ts';

const codePath = (code: string) => `/api/codes/${encodeURIComponent(code)}`;

/** A coupon and the codes in its book; all of them ann's unless it is public. */
async function openCoupon(client: ClaimClient, quantity: number, fields: Record<string, unknown>) {
  const name = freshName('valid');
  expect((await client.create(name, 1, { per_user_limit: 9, ...fields })).status).toBe(201);
  const codes = Array.from({ length: quantity }, (_, n) => `${name}-${n}`.replaceAll(' ', '-').toUpperCase());
  expect((await client.post(`${couponPath(name)}/codes`, { codes })).status).toBe(201);
  if (!fields.public)
    for (const code of codes)
      expect((await client.post(`${codePath(code)}/assign`, { user_id: 'ann' })).status).toBe(201);
  return { name, codes, code: codes[0] as string };
}

/** What a validation is answered. */
async function validate(client: ClaimClient, fields: Record<string, unknown>) {
  const answer = await client.post('/api/validations', { user_id: 'ann', order_value: 4999, ...fields });
  expect(answer.status).toBe(200);
  return answer.body;
}

/** Validations and the uses of codes for orders. */
export function validations(stack: ThisStack): void {
  describe('validations', () => {
    test.each([
      [{ type: 'percentage', value: 12.5, currency: 'EUR' }, 625, 4374],
      [{ type: 'percentage', value: 12.5, max_amount: 600, currency: 'EUR' }, 600, 4399],
      [{ type: 'fixed', value: 5000, currency: 'EUR' }, 4999, 0],
      [{ type: 'fixed', value: 500, minimum_order_value: 4999, currency: 'EUR' }, 500, 4499],
      [null, 0, 4999],
    ])(
      'a discount of %j is told, changes nothing, and is what redeeming gives',
      async (discount, off, rest) => {
        const client = stack().client();
        const { name, code } = await openCoupon(client, 1, { discount });
        expect((await client.coupon(name)).body).toMatchObject({ discount, public: false });
        const valid = { valid: true, discount_amount: off, final_amount: rest, code, coupon_name: name };
        expect(await validate(client, { code: ` ${code.toLowerCase()} `, order_id: code })).toEqual(valid);
        expect(await validate(client, { code, order_id: code })).toEqual(valid);
        const use = { user_id: 'ann', order_id: code, order_value: 4999 };
        const redeemed = (await client.post(`${codePath(code)}/redeem`, use)).body;
        expect(redeemed).toMatchObject({
          status: 'redeemed',
          ...(discount && { discount: off, final_amount: rest }),
        });
        for (const path of [`${couponPath(name)}/redemptions`, '/api/users/ann/redemptions?limit=1'])
          expect((await client.get(path)).body.data).toEqual([
            {
              redemption_id: expect.stringMatching(/^rdm_\d+$/),
              code,
              coupon_name: name,
              ...use,
              discount_amount: discount && off,
              final_amount: rest,
              redeemed_at: redeemed.redeemed_at,
            },
          ]);
        expect(await validate(client, { code, order_id: code })).toEqual({
          valid: false,
          reason: 'order_already_used',
        });
        expect(await validate(client, { code })).toEqual({ valid: false, reason: 'already_used' });
      },
    );

    test('what is no code, or is not stored, is not found', async () => {
      const client = stack().client();
      for (const code of ['NONE-OF-OURS', 'two words', 'ümlaut', "'; drop table codes; --", 'x'.repeat(255)])
        expect(await validate(client, { code })).toEqual({ valid: false, reason: 'code_not_found' });
    });

    test.each([
      [{ code: '' }, 'code'],
      [{ code: undefined }, 'code'],
      [{ code: 7 }, 'code'],
      [{ code: 'x'.repeat(256) }, 'code'],
      [{ user_id: ' ' }, 'user_id'],
      [{ order_value: undefined }, 'order_value'],
      [{ order_value: -1 }, 'order_value'],
      [{ order_value: 1.5 }, 'order_value'],
      [{ order_value: '1' }, 'order_value'],
      [{ order_value: 2 ** 53 }, 'order_value'],
      [{ order_id: '' }, 'order_id'],
      [{ order_id: 'a\u0000b' }, 'order_id'],
      [{ odd: 1 }, 'odd'],
    ])('%j is refused and named', async (fields, field) => {
      const client = stack().client();
      const body = { code: 'A', user_id: 'ann', order_value: 1, ...fields };
      expectProblem(await client.post('/api/validations', body), 400, {
        code: 'invalid_request',
        fields: [field],
      });
    });

    test.each([
      [{ discount: { type: 'percentage', value: 12.345, currency: 'EUR' } }, 'discount.value'],
      [{ discount: { type: 'percentage', value: 100.01, currency: 'EUR' } }, 'discount.value'],
      [{ discount: { type: 'percentage', value: 0.1 + 0.2, currency: 'EUR' } }, 'discount.value'],
      [{ discount: { type: 'fixed', value: 0.5, currency: 'EUR' } }, 'discount.value'],
      [{ discount: { type: 'fixed', value: 1, currency: 'euro' } }, 'discount.currency'],
      [{ discount: { type: 'fixed', value: 1, max_amount: 0, currency: 'EUR' } }, 'discount.max_amount'],
      [{ public: 'yes' }, 'public'],
    ])('a coupon with %j is refused, when created and when changed', async (fields, field) => {
      const client = stack().client();
      const problem = { code: 'invalid_request', fields: [field] };
      expectProblem(await client.create(freshName('bad'), 1, fields), 400, problem);
      const name = freshName('good');
      await client.create(name, 1);
      expectProblem(await client.change(name, fields), 400, problem);
    });

    test('50 people at once on a public code for 20: exactly 20, and then it is exhausted', async () => {
      const client = stack().client();
      const { name, code } = await openCoupon(client, 1, { public: true, max_redemptions_per_code: 20 });
      const answers = await Promise.all(
        people(50).map(user_id =>
          client.post(`${codePath(code)}/redeem`, {
            user_id,
            order_id: `${code} ${user_id}`,
            order_value: 100,
          }),
        ),
      );
      expect(byStatus(answers)).toEqual({ 200: 20, 409: 30 });
      for (const answer of answers)
        if (answer.status === 409) expectProblem(answer, 409, { code: 'code_redeemed' });
      const counts = answers
        .filter(({ status }) => status === 200)
        .map(({ body }) => body.redemption_count as number);
      expect(counts.sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, n) => n + 1));
      expect(await validate(client, { code })).toEqual({ valid: false, reason: 'exhausted' });
      expect((await client.get(codePath(code))).body).toMatchObject({
        status: 'redeemed',
        redemption_count: 20,
      });
      expect((await client.get(`${couponPath(name)}/stats`)).body).toMatchObject({
        total: 1,
        available: 0,
        assigned: 0,
        redeemed: 1,
      });
      const audit = (await client.get(`${codePath(code)}/audit`)).body.data!;
      expect(audit.map(({ status_before, status_after }) => [status_before, status_after])).toEqual([
        ...Array.from({ length: 19 }, () => ['available', 'available']),
        ['available', 'redeemed'],
      ]);
      await expectPages(client, `${couponPath(name)}/redemptions`, 20);
      // One more each, and the code is good again for who has not used it up.
      await client.change(name, { max_redemptions_per_code: 21 });
      expect(await validate(client, { code, user_id: 'new' })).toMatchObject({ valid: true });
      expectNoServerErrors(client.history);
    });

    test('one person 50 times at once on public codes, 3 for each: exactly 3', async () => {
      const client = stack().client();
      const fields = { public: true, max_redemptions_per_code: null, per_user_limit: 3 };
      const { codes, name } = await openCoupon(client, 2, fields);
      const user_id = freshName('greedy');
      const answers = await Promise.all(
        Array.from({ length: 50 }, (_, n) => client.post(`${codePath(codes[n % 2]!)}/redeem`, { user_id })),
      );
      expect(byStatus(answers)).toEqual({ 200: 3, 409: 47 });
      for (const answer of answers)
        if (answer.status === 409) expectProblem(answer, 409, { code: 'quota_reached' });
      expect(await validate(client, { code: codes[1], user_id })).toEqual({
        valid: false,
        reason: 'user_limit_reached',
      });
      expect(
        (await client.get(`/api/users/${encodeURIComponent(user_id)}/redemptions`)).body.data,
      ).toHaveLength(3);
      const verified = await stack().runCommand('verify', '--tables', '--coupon', name);
      expect([verified.code, verified.lines]).toEqual([0, expect.anything()]);
    });

    test('the same key: one use, the same answer', async () => {
      const client = stack().client();
      const { code } = await openCoupon(client, 1, { public: true, max_redemptions_per_code: null });
      const use = { user_id: freshName('key'), order_id: code, order_value: 100 };
      const headers = { 'idempotency-key': code };
      const first = await client.post(`${codePath(code)}/redeem`, use, headers);
      const again = await client.post(`${codePath(code)}/redeem`, use, headers);
      expect([first.status, again.status, again.text]).toEqual([200, 200, first.text]);
      expect((await client.get(codePath(code))).body.redemption_count).toBe(1);
    });

    test('redemptions of a coupon that is not there are not found', async () => {
      const answer = await stack()
        .client()
        .get(`${couponPath(freshName('none'))}/redemptions`);
      expectProblem(answer, 404, { code: 'coupon_not_found' });
    });
  });
}

/** Read seven at a time, a list has each of its rows once, newest first. */
async function expectPages(client: ClaimClient, path: string, total: number): Promise<void> {
  const ids: string[] = [];
  for (let cursor = ''; ; ) {
    const { body } = await client.get(`${path}?limit=7${cursor}`);
    ids.push(...body.data!.map(row => row.redemption_id as string));
    if (!body.next_cursor) break;
    cursor = `&cursor=${body.next_cursor}`;
  }
  const numbers = ids.map(id => Number(id.slice('rdm_'.length)));
  expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => b - a));
  expect(numbers).toHaveLength(total);
}
