import { describe, expect, test } from 'vitest';
import { expectGranted, freshName } from '../agree.ts';
import type { ThisStack } from '../engines.ts';
import { expectProblem } from '../problem.ts';
import { badClaims, badCoupons, invalidBody, longest, noObject } from './bad-bodies.ts';

/** The simple form: create, read, claim, with the statuses and sentences that its clients compare. */
export function simpleForm(stack: ThisStack): void {
  describe('the simple form', () => {
    test('creates, reads and claims', async () => {
      const client = stack().client();
      const name = freshName('simple');
      const created = await client.create(name, 2);
      expect(created.status).toBe(201);
      expect(created.body).toMatchObject({
        name,
        amount: 2,
        remaining_amount: 2,
        claimed_by: [],
        claimed_count: 0,
      });
      expect((await client.coupon(name)).body).toMatchObject({
        name,
        amount: 2,
        remaining_amount: 2,
        claimed_by: [],
      });

      expect((await client.claim(name, 'ann')).status).toBe(200);
      expectProblem(await client.claim(name, 'ann'), 409, { error: 'coupon already claimed by user' });
      expect((await client.claim(name, 'bob')).status).toBe(200);
      expectProblem(await client.claim(name, 'cat'), 400, { error: 'coupon out of stock' });
      expectProblem(await client.claim(name, 'bob'), 409, { error: 'coupon already claimed by user' });

      const read = await client.coupon(name);
      expect(read.status).toBe(200);
      expect(read.body).toMatchObject({
        amount: 2,
        remaining_amount: 0,
        claimed_by: ['ann', 'bob'],
        claimed_count: 2,
      });
      await expectGranted(stack(), name, 2, 2);
    });

    test('a name is taken once', async () => {
      const client = stack().client();
      const name = freshName('taken');
      await client.create(name, 2);
      expectProblem(await client.create(name, 9), 409, {
        code: 'coupon_exists',
        error: 'coupon already exists',
      });
      expect((await client.coupon(name)).body.amount).toBe(2);
    });

    test('an unknown coupon', async () => {
      const client = stack().client();
      const name = freshName('unknown');
      expectProblem(await client.coupon(name), 404, { code: 'coupon_not_found', error: 'coupon not found' });
      expectProblem(await client.claim(name, 'ann'), 404, {
        code: 'coupon_not_found',
        error: 'coupon not found',
      });
    });

    test.each(badCoupons)('creating with %s', async (_, sent, message, fields) => {
      expectRefused(await stack().client().post('/api/coupons', sent), message, fields);
    });

    test.each(badClaims)('claiming with %s', async (_, sent, message, fields) => {
      expectRefused(await stack().client().post('/api/coupons/claim', sent), message, fields);
    });

    test.each(['/api/coupons', '/api/coupons/claim'])('bodies that are no object: %s', async path => {
      for (const raw of noObject) {
        const headers = { 'content-type': 'application/json' };
        expectRefused(await stack().client().request('POST', path, { raw, headers }), invalidBody, []);
      }
    });

    test('the longest name, person and the largest amount', async () => {
      const client = stack().client();
      const name = freshName('').padEnd(255, 'é');
      const created = await client.create(name, 2_147_483_647);
      expect(created.status).toBe(201);
      expect(created.body.remaining_amount).toBe(2_147_483_647);
      expect((await client.claim(name, longest)).status).toBe(200);
      expect((await client.coupon(name)).body).toMatchObject({
        remaining_amount: 2_147_483_646,
        claimed_by: [longest],
      });
    });
  });
}

function expectRefused(
  answer: Parameters<typeof expectProblem>[0],
  message: string | RegExp,
  fields: string[],
): void {
  expectProblem(answer, 400, { fields });
  if (typeof message === 'string') expect(answer.body.error).toBe(message);
  else expect(answer.body.error).toMatch(message);
}
