import { openChanges } from '@claimline/db/changes';
import type { Sql } from '@claimline/db/pool';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Decision, parseSettled, SETTLED_CHANNEL } from './outcome.ts';
import { fail } from './settle.ts';
import { seededRandom } from './testing.ts';
import { claimsOf, insertCoupon, openSettleDatabase, people, settleClaims } from './testing-settle.ts';

let database: Awaited<ReturnType<typeof openSettleDatabase>>;
let sql: Sql;
beforeAll(async () => {
  database = await openSettleDatabase();
  sql = database.sql;
});
afterAll(() => database.close());

describe('notifications', () => {
  const listening = async (work: () => Promise<void>) => {
    const changes = openChanges({ url: database.url, applicationName: 'test listen', onError: () => {} });
    const payloads: string[] = [];
    try {
      await changes.on(SETTLED_CHANNEL, payload => void payloads.push(payload));
      await work();
      await changes.barrier();
    } finally {
      await changes.close();
    }
    return payloads;
  };
  const wide = {
    '255 characters of four bytes': '🎟'.repeat(255),
    '255 control characters, six bytes each in JSON': '\u0001'.repeat(255),
    '255 quotes': '"'.repeat(255),
  };
  /** A name of the same width for each of many: its last characters differ. */
  const numbered = (text: string, n: number) => {
    const characters = [...text];
    const tail = [...String(n)];
    return [...characters.slice(0, characters.length - tail.length), ...tail].join('');
  };

  test('tell every outcome, as it was answered', async () => {
    const coupon = await insertCoupon(sql, { amount: 700 });
    const claims = claimsOf(people(1000));
    let answered = new Map<string, Decision>();
    const payloads = await listening(async () => {
      answered = (await settleClaims(sql, coupon, claims)).decisions;
    });
    const heard = new Map(payloads.flatMap(payload => [...parseSettled(payload).decisions]));
    expect(heard).toEqual(answered);
    expect(heard.size).toBe(1000);
  });

  test.each(Object.entries(wide))('stay under 8,000 bytes with names and users of %s', async (_, text) => {
    const coupon = await insertCoupon(sql, { name: numbered(text, 1), amount: 1500 });
    const users = Array.from({ length: 2000 }, (__, i) => numbered(text, i));
    const payloads = await listening(async () => {
      await settleClaims(sql, coupon, claimsOf(users));
      await settleClaims(sql, coupon, claimsOf(users)); // 1,500 of them hold a claim now.
      const dead = { couponId: coupon.id, couponName: coupon.name, claims: claimsOf(users) };
      await fail(sql, dead);
    });
    const outcomes = payloads.reduce((sum, payload) => sum + parseSettled(payload).decisions.size, 0);
    expect(outcomes).toBe(6000);
    expect(Math.max(...payloads.map(payload => Buffer.byteLength(payload)))).toBeLessThan(8000);
    await sql`delete from coupons where id = ${coupon.id}`;
  });

  test('stay under 8,000 bytes where one wide outcome is cut among narrow ones', async () => {
    const [wideUser, name] = [wide['255 control characters, six bytes each in JSON'], '\u0002'.repeat(255)];
    const coupon = await insertCoupon(sql, { name, amount: 2_147_483_647 });
    const random = seededRandom(4);
    const users = Array.from({ length: 2000 }, (_, i) =>
      random.chance(0.1) ? numbered(wideUser, i) : `${i}`,
    );
    const payloads = await listening(async () => {
      await settleClaims(sql, coupon, claimsOf(users));
      await settleClaims(sql, coupon, claimsOf(users));
    });
    expect(payloads.reduce((sum, payload) => sum + parseSettled(payload).decisions.size, 0)).toBe(4000);
    expect(Math.max(...payloads.map(payload => Buffer.byteLength(payload)))).toBeLessThan(8000);
  });
});
