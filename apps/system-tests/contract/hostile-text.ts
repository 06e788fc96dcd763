import { describe, expect, test } from 'vitest';
import { claimRows, expectNoServerErrors } from '../agree.ts';
import { couponPath } from '../claim-client.ts';
import type { ThisStack } from '../engines.ts';
import { expectProblem } from '../problem.ts';

/** Text that any name and any person may consist of. */
const hostile = [
  `'; DROP TABLE coupons; --`,
  `Robert'); DELETE FROM claims; --`,
  `" OR "1"="1`,
  `x' UNION SELECT null, null --`,
  '\\',
  `$$ $1 \${x} {{7*7}} %s %n`,
  '%',
  '_',
  '*',
  'a/b',
  'a%2Fb',
  'a%252Fb',
  'a?b=c&d#e',
  'a+b c',
  'a:b',
  'clm:{1}:x',
  '{tag}',
  '0',
  '-1',
  '12345',
  'true',
  'null',
  '__proto__',
  'constructor',
  'toString',
  'claim',
  'claims',
  'line',
  '...',
  '~root',
  '<script>alert(1)</script>',
  '🎟️🔥👩‍👩‍👧',
  'купон 优惠券 クーポン',
  'é',
  'e\u0301',
  '\u202eright to left',
  '\u00a0no break',
  ' padded ',
  'line\nbreak\ttab\r',
  '\u0001\u0007\u001b[31m\u007f',
  '\ufeffmark',
  `;|&\`id\``,
  '../../etc/passwd',
  "O'Brien",
];
const mark = (text: string): string => `${text}#`;
const unprintable = ['a\u0000b', '\u0000'];

/** Names and people of any text are data: stored and given back as they are, or refused, never a failure. */
export function hostileText(stack: ThisStack): void {
  describe('any text', () => {
    test.each(hostile)('%j', async text => {
      const client = stack().client();
      const user = mark(text);
      const name = text;
      const created = await client.create(name, 2);
      expect([created.status, created.body.name], created.text).toEqual([201, name]);
      expect((await client.coupon(name)).body).toMatchObject({ name, remaining_amount: 2 });
      expect((await client.claim(name, text)).status).toBe(200);
      expectProblem(await client.claim(name, text), 409, { error: 'coupon already claimed by user' });
      const joined = await client.join(name, user, { prefer: 'wait=10' });
      expect(joined.body, joined.text).toMatchObject({ status: 'granted', coupon_name: name, user_id: user });
      expect((await client.coupon(name)).body).toMatchObject({
        name,
        claimed_by: [text, user],
        remaining_amount: 0,
      });
      expect((await client.get(`${couponPath(name)}/claims`)).body.data!.map(claim => claim.user_id)).toEqual(
        [text, user],
      );
      const own = await client.get(`/api/users/${encodeURIComponent(user)}/claims`);
      expect(own.body.data!.map(claim => claim.coupon_name)).toEqual([name]);
      expect((await claimRows(stack(), name)).map(row => row.user_id)).toEqual([text, user]);
      expect((await client.change(name, { amount: 3 })).status).toBe(200);
      expectNoServerErrors(client.history);
    });

    test.each(['.', '..'])('%s is no name: every client takes it out of an address', async name => {
      expectProblem(await stack().client().create(name, 1), 400, {
        error: 'invalid request: name must not be . or ..',
      });
    });

    test('a character that no database stores is refused', async () => {
      const client = stack().client();
      for (const text of unprintable) {
        expectProblem(await client.create(text, 1), 400);
        expectProblem(await client.claim(text, 'ann'), 400);
        expectProblem(await client.claim('é', text), 400);
        expectProblem(await client.join('é', text), 400);
        expect([400, 404]).toContain((await client.coupon(text)).status);
        expect([400, 404]).toContain((await client.join(text, 'ann')).status);
        expect([200, 400, 404]).toContain(
          (await client.get(`/api/users/${encodeURIComponent(text)}/claims`)).status,
        );
      }
      expectNoServerErrors(client.history);
    });

    test('half a character, and addresses that do not decode', async () => {
      const client = stack().client();
      const headers = { 'content-type': 'application/json' };
      for (const half of ['\\ud800', '\\udc00', 'a\\ud83dx']) {
        await client.request('POST', '/api/coupons', { raw: `{"name":"half ${half}","amount":1}`, headers });
        const raw = `{"user_id":"half ${half}","coupon_name":"é"}`;
        await client.request('POST', '/api/coupons/claim', { raw, headers });
      }
      for (const odd of ['%', '%zz', '%E0%A4%A', '%c0%af', '%ff', '%00']) {
        for (const path of ['/api/coupons/', '/api/tickets/', '/api/users/']) {
          const answer = await client.get(`${path}${odd}${path.includes('users') ? '/claims' : ''}`);
          expect([200, 400, 404], `${answer.path} ${answer.text}`).toContain(answer.status);
        }
      }
      for (const tooLong of [`/api/coupons/${'x'.repeat(256)}`, `/api/coupons/${'x'.repeat(8_000)}`]) {
        expect([400, 404, 414, 431]).toContain((await client.get(tooLong)).status);
      }
      expectNoServerErrors(client.history);
    });

    test('the tables survive', async () => {
      const [tables] = await stack().sql`
        select to_regclass('coupons') is not null and to_regclass('claims') is not null as there,
               (select count(*)::int from coupons where name = ${hostile[0]!}) as kept`;
      expect({ ...tables }).toEqual({ there: true, kept: 1 });
    });
  });
}
