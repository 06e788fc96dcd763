import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { expectGranted, freshName } from '../agree.ts';
import type { Answer } from '../answers.ts';
import { couponPath } from '../claim-client.ts';
import type { ThisStack } from '../engines.ts';
import { isReplay, keyed } from '../idempotency-key.ts';
import { expectProblem } from '../problem.ts';

const header = 'Idempotency-Key';
const carried = ['content-type', 'location', 'retry-after', 'preference-applied', 'content-location'];

/** The same status, body and telling headers as the first time, and says so. */
function expectReplayOf(first: Answer, again: Answer): void {
  expect(isReplay(first), first.text).toBe(false);
  expect([again.status, again.text, isReplay(again)]).toEqual([first.status, first.text, true]);
  for (const name of carried) expect(again.headers.get(name), name).toBe(first.headers.get(name));
  expect(again.headers.get('x-request-id')).not.toBe(first.headers.get('x-request-id'));
}

/** Of many requests at once with one key one does the work; the others get its answer or are told to come back. */
function expectOneDid(answers: Answer[], status: number): Answer {
  const done = answers.filter(answer => answer.status === status && !isReplay(answer));
  expect(done.length).toBe(1);
  for (const answer of answers) {
    if (answer === done[0]) continue;
    if (isReplay(answer)) expect(answer.text).toBe(done[0]!.text);
    else {
      expectProblem(answer, 409, { code: 'idempotency_key_in_use' });
      expect(answer.headers.get('retry-after')).toBe('1');
    }
  }
  return done[0]!;
}

const badKeys = ['', 'a b', 'x'.repeat(256), 'caf\u00e9', '"open', 'in"side', '""', `"${'x'.repeat(256)}"`];

/** The same answer to the same key, on every POST that creates something. */
export function idempotencyKeys(stack: ThisStack): void {
  describe('with an Idempotency-Key', () => {
    test('creating a coupon is done once, and its answer comes again', async () => {
      const client = stack().client();
      const body = { name: freshName('keyed'), amount: 2, metadata: { b: 1, a: [2] } };
      const headers = keyed();
      const first = await client.post('/api/coupons', body, headers);
      expect(first.status).toBe(201);
      await client.claim(body.name, 'ann');
      expectReplayOf(first, await client.post('/api/coupons', body, headers));
      const inOtherOrder = { metadata: { a: [2], b: 1 }, amount: 2, name: body.name };
      expectReplayOf(first, await client.post('/api/coupons', inOtherOrder, headers));
      expectProblem(await client.post('/api/coupons', body, keyed()), 409, { code: 'coupon_exists' });
      expectProblem(await client.post('/api/coupons', body), 409, { code: 'coupon_exists' });
    });

    test('a refusal is the answer too', async () => {
      const client = stack().client();
      const name = freshName('taken');
      await client.create(name, 1);
      const [creating, claiming] = [keyed(), keyed()];
      const first = await client.post('/api/coupons', { name, amount: 1 }, creating);
      expectProblem(first, 409, { code: 'coupon_exists' });
      await client.claim(name, 'ann');
      const claim = { user_id: 'bob', coupon_name: name };
      const refused = await client.post('/api/coupons/claim', claim, claiming);
      expectProblem(refused, 400, { code: 'sold_out' });

      await client.change(name, { amount: 9 });
      expectReplayOf(first, await client.post('/api/coupons', { name, amount: 1 }, creating));
      expectReplayOf(refused, await client.post('/api/coupons/claim', claim, claiming));
      expect((await client.claim(name, 'bob')).status).toBe(200);
      await expectGranted(stack(), name, 9, 2);
    });

    test('what is told to come back, or was no valid request, may be sent again', async () => {
      const client = stack().client();
      const name = freshName('opens');
      await client.create(name, 1);
      await client.change(name, { status: 'paused' });
      const headers = keyed();
      const path = `${couponPath(name)}/claims`;
      expectProblem(await client.post(path, { user_id: '' }, headers), 400, { fields: ['user_id'] });
      expectProblem(await client.post(path, { user_id: 'ann' }, headers), 409, { code: 'paused' });
      await client.change(name, { status: 'active' });
      const waiting = { ...headers, prefer: 'wait=10' };
      const claimed = await client.post(path, { user_id: 'ann' }, waiting);
      expect(claimed.body).toMatchObject({ status: 'granted', user_id: 'ann' });
      expectReplayOf(claimed, await client.post(path, { user_id: 'ann' }, waiting));
    });

    test.each([
      { about: 'the simple form', path: () => '/api/coupons/claim', status: 200 },
      { about: 'a ticket', path: (name: string) => `${couponPath(name)}/claims`, status: 202 },
    ])('claiming by $about is done once', async ({ path, status }) => {
      const client = stack().client();
      const name = freshName('keyed claim');
      await client.create(name, 5);
      const body = { user_id: 'ann', ...(status === 200 && { coupon_name: name }) };
      const headers = keyed();
      const first = await client.post(path(name), body, headers);
      expect(first.status, first.text).toBe(status);
      expect((await client.ticket(first.body.ticket!, 10)).body.status).toBe('granted');
      expectReplayOf(first, await client.post(path(name), body, headers));
      const other = { ...body, user_id: 'bob' };
      expectProblem(await client.post(path(name), other, headers), 422, { code: 'idempotency_key_reused' });
      await expectGranted(stack(), name, 5, 1);
    });

    test('another body or another address with the key is refused', async () => {
      const client = stack().client();
      const [one, two] = [freshName('one'), freshName('two')];
      const headers = keyed();
      const created = await client.post('/api/coupons', { name: one, amount: 2 }, headers);
      const reused = { code: 'idempotency_key_reused' };
      expectProblem(await client.post('/api/coupons', { name: one, amount: 3 }, headers), 422, reused);
      expectProblem(await client.post('/api/coupons', { name: two, amount: 2 }, headers), 422, reused);
      expectProblem(await client.coupon(two), 404);
      expectReplayOf(created, await client.post('/api/coupons', { name: one, amount: 2 }, headers));

      await client.create(two, 2);
      // Another route: the key means nothing there yet. Then another coupon of that route.
      const joined = await client.post(`${couponPath(one)}/claims`, { user_id: 'ann' }, headers);
      expect([joined.status, isReplay(joined)]).toEqual([202, false]);
      expectProblem(await client.post(`${couponPath(two)}/claims`, { user_id: 'ann' }, headers), 422, reused);
    });

    test("another caller's key is another key", async () => {
      const client = stack().client();
      const name = freshName('callers');
      await client.create(name, 5);
      const mine = keyed(undefined, { authorization: 'Bearer one', prefer: 'wait=10' });
      const path = `${couponPath(name)}/claims`;
      expect((await client.post(path, { user_id: 'ann' }, mine)).status).toBe(200);
      const theirs = { ...mine, authorization: 'Bearer two' };
      const other = await client.post(path, { user_id: 'bob' }, theirs);
      expect([other.status, isReplay(other)]).toEqual([200, false]);
    });

    test('20 at once create one coupon', async () => {
      const client = stack().client();
      const body = { name: freshName('at once'), amount: 3 };
      const headers = keyed();
      const send = () => client.post('/api/coupons', body, headers);
      const done = expectOneDid(await Promise.all(Array.from({ length: 20 }, send)), 201);
      expectReplayOf(done, await send());
    });

    test.each([200, 202])('20 at once claim once: %i', async status => {
      const client = stack().client();
      const name = freshName('claims at once');
      await client.create(name, 30);
      const headers = keyed();
      const send = () =>
        status === 200
          ? client.post('/api/coupons/claim', { user_id: 'ann', coupon_name: name }, headers)
          : client.join(name, 'ann', headers);
      const done = expectOneDid(await Promise.all(Array.from({ length: 20 }, send)), status);
      expectReplayOf(done, await send());
      expect((await client.ticket(done.body.ticket!, 10)).body.status).toBe('granted');
      await expectGranted(stack(), name, 30, 1);
    });

    test('a key may be quoted, as the standard has it, or not', async () => {
      const client = stack().client();
      const body = { name: freshName('quoted'), amount: 1 };
      const key = randomUUID();
      const first = await client.post('/api/coupons', body, keyed(key));
      expectReplayOf(first, await client.post('/api/coupons', body, keyed(`"${key}"`)));
      const longest = 'k'.repeat(255);
      const other = await client.post('/api/coupons', body, keyed(`"${longest}"`));
      expectReplayOf(other, await client.post('/api/coupons', body, keyed(longest)));
    });

    test.each(badKeys)('the key %j is refused', async key => {
      const client = stack().client();
      const name = freshName('bad key');
      expectProblem(await client.post('/api/coupons', { name, amount: 1 }, keyed(key)), 400, {
        code: 'invalid_request',
        fields: [header],
      });
      const claim = { user_id: 'ann', coupon_name: name };
      expectProblem(await client.post('/api/coupons/claim', claim, keyed(key)), 400, { fields: [header] });
      expectProblem(await client.coupon(name), 404);
    });
  });
}
