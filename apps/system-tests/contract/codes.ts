import { describe, expect, test } from 'vitest';
import { expectGranted, expectNoServerErrors, freshName, people } from '../agree.ts';
import { byStatus } from '../answers.ts';
import { awaitUntil } from '../await-until.ts';
import { type ClaimClient, couponPath } from '../claim-client.ts';
import type { ThisStack } from '../engines.ts';
import { expectProblem } from '../problem.ts';
import type { Stack } from '../stack.ts';

const codePath = (code: string) => `/api/codes/${encodeURIComponent(code)}`;
const codesOf = (name: string) => `${couponPath(name)}/codes`;
const sweptWithinMs = 45_000;

/** A coupon with a book of new codes. */
async function openBook(client: ClaimClient, quantity: number, more: Record<string, unknown> = {}) {
  const name = freshName('book');
  expect((await client.create(name, 1, more)).status).toBe(201);
  const made = await client.post(`${codesOf(name)}/generate`, { quantity });
  expect([made.status, made.text]).toEqual([201, JSON.stringify({ created: quantity, skipped: 0 })]);
  return name;
}

/** Everybody claims at once; answers how many got what, and the codes. */
async function claimAtOnce(client: ClaimClient, name: string, users: string[]) {
  const answers = await Promise.all(users.map(user => client.claim(name, user)));
  const codes = answers.filter(({ status }) => status === 200).map(({ body }) => body.claim?.code ?? '');
  return { answers, counts: byStatus(answers), codes };
}

/** A code of a coupon of its own that is ann's. */
async function giveCode(client: ClaimClient, more: Record<string, unknown> = {}): Promise<string> {
  const name = await openBook(client, 1, more);
  return (await client.claim(name, 'ann')).body.claim?.code as string;
}

/** As many codes are available as units are left, and nobody has a code twice. */
async function expectInStep(stack: Stack, name: string) {
  const { body } = await stack.client().get(`${couponPath(name)}/stats`);
  const listed = (await stack.client().get(`${codesOf(name)}?limit=1000`)).body.data!;
  const is = (status: string) => listed.filter(code => code.status === status).length;
  expect(body).toMatchObject({ total: listed.length, available: is('available'), assigned: is('assigned') });
  const { remaining_amount, amount } = (await stack.client().coupon(name)).body;
  expect([amount, remaining_amount]).toEqual([body.total, body.available]);
}

/** Books of codes. */
export function codes(stack: ThisStack): void {
  describe('codes', () => {
    test('one free code and 50 people: one has it', async () => {
      const client = stack().client();
      const name = await openBook(client, 1);
      const { counts, codes: given } = await claimAtOnce(client, name, people(50));
      expect(counts).toEqual({ 200: 1, 400: 49 });
      expect(given[0]).toMatch(/^[2-9A-HJKMNP-Z]{10}$/);
      await expectGranted(stack(), name, 1, 1);
      await expectInStep(stack(), name);
    });

    test('100 people on 100 codes: 100 different codes', async () => {
      const client = stack().client();
      const name = await openBook(client, 100);
      const { counts, codes: given, answers } = await claimAtOnce(client, name, people(100));
      expect(counts).toEqual({ 200: 100 });
      expect(new Set(given).size).toBe(100);
      const listed = (await client.get(codesOf(name))).body.data!;
      expect(listed.map(code => code.code).sort()).toEqual([...given].sort());
      // The same in the ticket, in the list of claims, and in a person's codes.
      for (const { body } of answers.slice(0, 5)) {
        expect((await client.ticket(body.ticket!)).body.claim).toEqual(body.claim);
        const user = body.user_id as string;
        const [mine] = (await client.get(`/api/users/${user}/codes`)).body.data!;
        expect(mine).toMatchObject({
          code: body.claim?.code,
          status: 'assigned',
          claim_id: body.claim?.claim_id,
        });
      }
      const claims = (await client.get(`${couponPath(name)}/claims`)).body.data!;
      expect(new Set(claims.map(claim => claim.code))).toEqual(new Set(given));
      await expectInStep(stack(), name);
    });

    test('one person with a quota of 3, 20 times at once and again: 3', async () => {
      const client = stack().client();
      const name = await openBook(client, 20, { per_user_limit: 3 });
      const given = new Set<string>();
      // Who joins their own claim in line is told so, and may ask again.
      await awaitUntil('the quota to be used up', async () => {
        const round = await claimAtOnce(client, name, new Array(20).fill('ann'));
        for (const code of round.codes) given.add(code);
        return given.size >= 3;
      });
      const { counts } = await claimAtOnce(client, name, new Array(20).fill('ann'));
      expect(counts).toEqual({ 409: 20 });
      expect(given.size).toBe(3);
      expect((await client.coupon(name)).body).toMatchObject({ remaining_amount: 17, claimed_count: 3 });
      await expectInStep(stack(), name);
    });

    test('one person with a quota of 3, 20 codes assigned at once: 3', async () => {
      const client = stack().client();
      const name = await openBook(client, 20, { per_user_limit: 3 });
      const listed = (await client.get(codesOf(name))).body.data!.map(code => code.code as string);
      const answers = await Promise.all(
        listed.map(code => client.post(`${codePath(code)}/assign`, { user_id: 'ann' })),
      );
      expect(byStatus(answers)).toEqual({ 201: 3, 409: 17 });
      for (const answer of answers)
        if (answer.status === 409) expectProblem(answer, 409, { code: 'quota_reached' });
      await expectGranted3(stack(), name);
      await expectInStep(stack(), name);
      expectNoServerErrors(client.history);
    });

    test('codes assigned by name while people claim: no code twice', async () => {
      const client = stack().client();
      const name = await openBook(client, 40);
      const listed = (await client.get(codesOf(name))).body.data!.map(code => code.code as string);
      const named = listed
        .slice(0, 20)
        .map((code, i) => client.post(`${codePath(code)}/assign`, { user_id: `gift-${i}` }));
      const [assigned, claimed] = await Promise.all([
        Promise.all(named),
        claimAtOnce(client, name, people(40)),
      ]);
      const gifts = assigned.filter(({ status }) => status === 201).map(({ body }) => body.code as string);
      const all = [...gifts, ...claimed.codes];
      expect([all.length, new Set(all).size]).toEqual([40, 40]);
      for (const answer of assigned)
        if (answer.status !== 201) expectProblem(answer, 409, { code: 'code_not_available' });
      await expectInStep(stack(), name);
      expectNoServerErrors(client.history);
    });

    test('20 redeems of a code at once: as many as it allows', async () => {
      const client = stack().client();
      for (const [limit, done] of [
        [1, 1],
        [3, 3],
        [null, 20],
      ] as const) {
        const code = await giveCode(client, { max_redemptions_per_code: limit });
        const answers = await Promise.all(
          people(20).map(order =>
            client.post(`${codePath(code)}/redeem`, { user_id: 'ann', order_id: `${code} ${order}` }),
          ),
        );
        expect(byStatus(answers)).toEqual({ 200: done, ...(done < 20 && { 409: 20 - done }) });
        const counts = answers
          .filter(({ status }) => status === 200)
          .map(({ body }) => body.redemption_count);
        expect(counts.sort((a, b) => Number(a) - Number(b))).toEqual(
          Array.from({ length: done }, (_, i) => i + 1),
        );
        expect((await client.get(codePath(code))).body).toMatchObject({
          redemption_count: done,
          status: limit === null ? 'assigned' : 'redeemed',
        });
        const audit = (await client.get(`${codePath(code)}/audit`)).body.data!;
        expect(audit.filter(({ action }) => action === 'redeem').length).toBe(done);
      }
    });

    test('20 orders with one order id at once use one code of two', async () => {
      const client = stack().client();
      const codes = [await giveCode(client, { max_redemptions_per_code: null }), await giveCode(client)];
      const order_id = freshName('order');
      const answers = await Promise.all(
        people(20).map((_, i) =>
          client.post(`${codePath(codes[i % 2]!)}/redeem`, { user_id: 'ann', order_id }),
        ),
      );
      expect(byStatus(answers)).toEqual({ 200: 1, 409: 19 });
    });

    test('20 sessions race for a lock: one has it, and it alone redeems', async () => {
      const client = stack().client();
      const code = await giveCode(client);
      const sessions = people(20, 'session');
      const answers = await Promise.all(
        sessions.map(session_id => client.post(`${codePath(code)}/lock`, { user_id: 'ann', session_id })),
      );
      expect(byStatus(answers)).toEqual({ 200: 1, 409: 19 });
      const winner = answers.findIndex(({ status }) => status === 200);
      const { locked_until } = answers[winner]!.body;
      for (const answer of answers)
        if (answer.status === 409) {
          expectProblem(answer, 409, { code: 'code_locked' });
          expect(answer.body.locked_until).toBe(locked_until);
          expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(290);
        }
      const [own, other] = [sessions[winner], sessions[winner === 0 ? 1 : 0]];
      const again = await client.post(`${codePath(code)}/lock`, {
        user_id: 'ann',
        session_id: own,
        ttl_seconds: 9,
      });
      expect([again.status, again.body.locked_until]).toEqual([200, locked_until]);
      const redeem = (session_id: unknown) =>
        client.post(`${codePath(code)}/redeem`, { user_id: 'ann', session_id });
      expectProblem(await redeem(other), 409, { code: 'code_locked' });
      expect((await redeem(own)).body).toMatchObject({ status: 'redeemed', final: true });
    });

    test('a lapsed lock holds nobody up, and is put on record without a request', {
      timeout: 2 * sweptWithinMs,
    }, async () => {
      const client = stack().client();
      const code = await giveCode(client, { lock_ttl_seconds: 1 });
      const lock = (session_id: string) =>
        client.post(`${codePath(code)}/lock`, { user_id: 'ann', session_id });
      expect((await lock('first')).body).toMatchObject({ status: 'locked', lock_ttl_seconds: 1 });
      await awaitUntil('the lock to lapse', async () => (await lock('second')).status === 200);
      await awaitUntil(
        'the sweep',
        async () => {
          const audit = (await client.get(`${codePath(code)}/audit`)).body.data!;
          return audit.at(-1)?.action === 'lapse' && audit.at(-1)?.actor === 'sweep';
        },
        sweptWithinMs,
      );
      expect((await client.get(codePath(code))).body).toMatchObject({
        status: 'assigned',
        locked_until: null,
      });
    });

    test('20 books of 50: the first code handed out is spread over them', async () => {
      const client = stack().client();
      const places = await Promise.all(
        people(20).map(async () => {
          const name = freshName('spread');
          await client.create(name, 1);
          const given = Array.from(
            { length: 50 },
            (_, i) => `${name.toUpperCase().replaceAll(' ', '-')}-${i}`,
          );
          await client.post(codesOf(name), { codes: given });
          return given.indexOf((await client.claim(name, 'ann')).body.claim!.code!);
        }),
      );
      expect(Math.min(...places)).toBeGreaterThanOrEqual(0);
      // By chance alone fewer than 7 of 50 places come up in 1 of 100,000,000,000 runs, a mean so far off in 1 of 1,000,000,000.
      expect(new Set(places).size).toBeGreaterThan(6);
      expect(Math.abs(places.reduce((sum, place) => sum + place, 0) / 20 - 24.5)).toBeLessThan(20);
    });

    test('uploaded duplicates are skipped and named, whichever case or book', async () => {
      const client = stack().client();
      const [one, two] = [freshName('up'), freshName('up')];
      const own = (text: string) => `${one}-${text}`.replaceAll(' ', '-');
      for (const name of [one, two]) await client.create(name, 9);
      const first = await client.post(codesOf(one), { codes: [own('a'), own('B'), own('A')] });
      const upper = (text: string) => own(text).toUpperCase();
      expect([first.status, first.body]).toEqual([201, { created: 2, skipped: 1, duplicates: [upper('a')] }]);
      const csv = `code\r\n${own('b')}\r\n"${own('c')}",note\r\n\r\n${own('C')}\n`;
      const second = await client.request('POST', codesOf(two), {
        raw: csv,
        headers: { 'content-type': 'text/csv' },
      });
      expect([second.status, second.body]).toEqual([
        201,
        { created: 1, skipped: 2, duplicates: [upper('b'), upper('c')] },
      ]);
      expect((await client.coupon(one)).body).toMatchObject({ amount: 2, remaining_amount: 2 });
      expect((await client.coupon(two)).body).toMatchObject({ amount: 1, remaining_amount: 1 });
      expect((await client.get(codePath(own('C')))).body).toMatchObject({
        code: upper('c'),
        coupon_name: two,
      });
    });

    test('a mistake in an upload is named with its place, and what stands before it is stored', async () => {
      const client = stack().client();
      const name = freshName('mistake');
      await client.create(name, 9);
      const code = name.replaceAll(' ', '-');
      const answer = await client.request('POST', codesOf(name), {
        raw: `${code}\nwith space\n${code}-2\n`,
        headers: { 'content-type': 'text/csv' },
      });
      expectProblem(answer, 400, { code: 'invalid_request', fields: ['line 2'] });
      expect(answer.body).toMatchObject({ created: 1, skipped: 0 });
      expect((await client.coupon(name)).body).toMatchObject({ amount: 1 });
      const again = await client.post(codesOf(name), { codes: [code, `${code}-2`] });
      expect(again.body).toEqual({ created: 1, skipped: 1, duplicates: [code.toUpperCase()] });
    });

    test('all mistakes in a list are named, and nothing of it is stored', async () => {
      const client = stack().client();
      const name = freshName('mistakes');
      await client.create(name, 9);
      const code = name.replaceAll(' ', '-');
      const codes = [code, 'straße', 7, `${code}-2`, 'two words', '..'];
      expectProblem(await client.post(codesOf(name), { codes }), 400, {
        fields: ['codes.1', 'codes.2', 'codes.4', 'codes.5'],
      });
      expect((await client.coupon(name)).body).toMatchObject({ amount: 9 });
      expectProblem(await client.get(codePath(code)), 404);
    });

    test.each([
      [{ quantity: 0 }, 'quantity'],
      [{ quantity: 1_000_001 }, 'quantity'],
      [{}, 'quantity'],
      [{ quantity: 1, length: 5 }, 'length'],
      [{ quantity: 1, length: 21 }, 'length'],
      [{ quantity: 1, prefix: 'ELEVEN-LONG' }, 'prefix'],
      [{ quantity: 1, alphabet: 'AA' }, 'alphabet'],
      [{ quantity: 1, alphabet: 'a-b' }, 'alphabet'],
      [{ quantity: 1, pattern: 'A-#', length: 8 }, 'pattern'],
      [{ quantity: 33, pattern: 'A-##' }, 'pattern'],
      [{ quantity: 100, length: 6, alphabet: '01' }, 'length'],
      [{ quantity: 1, pattern: 'A #' }, 'pattern'],
      [{ quantity: 1, pattern: 'A-#### ' }, 'pattern'],
      [{ quantity: 1, prefix: ' A' }, 'prefix'],
      [{ quantity: 1, pattern: 'A?', alphabet: '0123456789' }, 'alphabet'],
      [{ quantity: 1, odd: 1 }, 'odd'],
    ])('a recipe such as %j is refused', async (recipe, field) => {
      const client = stack().client();
      const name = freshName('recipe');
      await client.create(name, 1);
      const answer = await client.post(`${codesOf(name)}/generate`, recipe);
      expectProblem(answer, 400, { code: 'invalid_request', fields: [field] });
    });

    test('codes follow their recipe', async () => {
      const client = stack().client();
      for (const [recipe, form] of [
        [{ quantity: 500, prefix: 'sale-', length: 8 }, /^SALE-[2-9A-HJKMNP-Z]{8}$/],
        [{ quantity: 500, pattern: 'Summer-####-????' }, /^SUMMER-[2-9]{4}-[A-HJKMNP-Z]{4}$/],
        [{ quantity: 30, length: 6, alphabet: '01ab' }, /^[01AB]{6}$/],
      ] as const) {
        const name = freshName('form');
        await client.create(name, 1);
        expect((await client.post(`${codesOf(name)}/generate`, recipe)).body.created).toBe(recipe.quantity);
        const listed = (await client.get(`${codesOf(name)}?limit=1000`)).body.data!;
        expect(listed.length).toBe(recipe.quantity);
        expect(listed.filter(({ code }) => !form.test(code as string))).toEqual([]);
      }
    });

    test('generating with one key makes the codes once, and can be watched', async () => {
      const client = stack().client();
      const name = freshName('key');
      await client.create(name, 1);
      const path = `${codesOf(name)}/generate`;
      const headers = { 'idempotency-key': name.replaceAll(' ', '-') };
      const first = await client.post(path, { quantity: 30 }, headers);
      const again = await client.post(path, { quantity: 30 }, headers);
      expect([first.status, again.status, again.text]).toEqual([201, 201, first.text]);
      const run = await client.post(path, { quantity: 25_000 }, { prefer: 'respond-async' });
      expect(run.status).toBe(202);
      const done = await awaitUntil('the run to be done', async () => {
        const { body } = await client.get(run.headers.get('location')!);
        return body.status === 'done' && body;
      });
      expect(done).toMatchObject({ quantity: 25_000, created: 25_000 });
      expect((await client.coupon(name)).body.amount).toBe(25_030);
    });

    test('a code that is over its window has expired, and nothing can be done with it', async () => {
      const client = stack().client();
      const code = await giveCode(client);
      const { coupon_name } = (await client.get(codePath(code))).body;
      await stack().sql`update coupons set ends_at = now() where name = ${coupon_name as string}`;
      expect((await client.get(codePath(code))).body.status).toBe('expired');
      for (const action of ['lock', 'redeem'])
        expectProblem(await client.post(`${codePath(code)}/${action}`, { user_id: 'ann' }), 409, {
          code: 'coupon_inactive',
        });
      expect((await client.get(`${couponPath(coupon_name as string)}/stats`)).body).toMatchObject({
        total: 1,
        assigned: 0,
        expired: 1,
      });
    });
  });
}

async function expectGranted3(stack: Stack, name: string) {
  const rows =
    await stack.sql`select sequence::int, ordinal from claims where coupon_name = ${name} order by sequence`;
  expect(rows.map(row => [row.sequence, row.ordinal])).toEqual([
    [1, 1],
    [2, 2],
    [3, 3],
  ]);
}
