import { expect, test } from 'vitest';
import { claimRows, freshName, outcomes } from '../agree.ts';
import type { Answer } from '../answers.ts';
import type { ClaimClient } from '../claim-client.ts';
import type { ThisStack } from '../engines.ts';
import { expectProblem } from '../problem.ts';
import { alreadyClaimed, notFound, outOfStock, rounds, slowMs } from './rounds.ts';

/** Coupons changed straight in the database while everything runs: the very next claim honours it. */
export function rowsChanged(stack: ThisStack): void {
  const sql = () => stack().sql;

  test('a coupon inserted', { timeout: slowMs }, async () => {
    const client = stack().client();
    for (const _ of rounds) {
      const name = freshName('inserted');
      expectProblem(await client.claim(name, 'ann'), 404, notFound);
      await sql()`insert into coupons (name, amount, remaining_amount) values (${name}, 2, 2)`;
      expect((await client.claim(name, 'ann')).status).toBe(200);
      expectProblem(await client.claim(name, 'ann'), 409, alreadyClaimed);
      expect((await client.claim(name, 'bob')).status).toBe(200);
      expectProblem(await client.claim(name, 'cat'), 400, outOfStock);
      expect((await client.coupon(name)).body).toMatchObject({
        amount: 2,
        remaining_amount: 0,
        claimed_by: ['ann', 'bob'],
      });
    }
  });

  test('a coupon inserted without remaining_amount', { timeout: slowMs }, async () => {
    const client = stack().client();
    for (const _ of rounds) {
      const name = freshName('only amount');
      await sql()`insert into coupons (name, amount) values (${name}, 2)`;
      expect((await client.claim(name, 'ann')).status).toBe(200);
      expect((await client.coupon(name)).body).toMatchObject({
        amount: 2,
        remaining_amount: 1,
        claimed_by: ['ann'],
      });
    }
  });

  test('stock taken away and given back', { timeout: slowMs }, async () => {
    const client = stack().client();
    const name = freshName('stock');
    await client.create(name, 1_000);
    for (const round of rounds) {
      expect((await client.claim(name, `first-${round}`)).status).toBe(200);
      await sql()`update coupons set remaining_amount = 0 where name = ${name}`;
      expectProblem(await client.claim(name, `second-${round}`), 400, outOfStock);
      await sql()`update coupons set remaining_amount = 1 where name = ${name}`;
      expect((await client.claim(name, `second-${round}`)).status).toBe(200);
      expectProblem(await client.claim(name, `third-${round}`), 400, outOfStock);
      await sql()`update coupons set remaining_amount = 5 where name = ${name}`;
    }
    expect((await claimRows(stack(), name)).length).toBe(2 * rounds.length);
  });

  test('sold out, then raised', { timeout: slowMs }, async () => {
    const client = stack().client();
    const name = freshName('raised');
    await client.create(name, 1);
    for (const round of rounds) {
      expect((await client.claim(name, `person-${round}`)).status).toBe(200);
      expectProblem(await client.claim(name, `person-${round + 1}`), 400, outOfStock);
      await sql()`update coupons set amount = amount + 1, remaining_amount = remaining_amount + 1 where name = ${name}`;
    }
  });

  test('a claim deleted: the person may claim again', { timeout: slowMs }, async () => {
    const client = stack().client();
    const name = freshName('deleted claim');
    await client.create(name, 1_000);
    for (const _ of rounds) {
      expect((await client.claim(name, 'ann')).status).toBe(200);
      expectProblem(await client.claim(name, 'ann'), 409, alreadyClaimed);
      await sql()`delete from claims where coupon_name = ${name} and user_id = 'ann'`;
    }
    expect((await client.claim(name, 'ann')).status).toBe(200);
  });

  test('a claim inserted: the person has it', { timeout: slowMs }, async () => {
    const client = stack().client();
    const name = freshName('inserted claim');
    await client.create(name, 1_000);
    for (const round of rounds) {
      await sql()`insert into claims (user_id, coupon_name) values (${`given-${round}`}, ${name})`;
      expectProblem(await client.claim(name, `given-${round}`), 409, alreadyClaimed);
      expectProblem(await client.join(name, `given-${round}`), 409, { code: 'already_claimed' });
    }
    expect((await client.claim(name, 'ann')).status).toBe(200);
  });

  test('status and window', { timeout: slowMs }, async () => {
    const client = stack().client();
    const name = freshName('switched');
    await client.create(name, 1_000);
    for (const round of rounds) {
      const refusal = async () => refusedBecause(client, await client.join(name, `person-${round}`));
      await sql()`update coupons set status = 'paused' where name = ${name}`;
      expect(await refusal()).toBe('paused');
      await sql()`update coupons set status = 'active', starts_at = now() + interval '1 hour' where name = ${name}`;
      expect(await refusal()).toBe('not_started');
      await sql()`update coupons set starts_at = null, ends_at = now() - interval '1 second' where name = ${name}`;
      expect(await refusal()).toBe('ended');
      await sql()`update coupons set ends_at = null where name = ${name}`;
      expect((await client.claim(name, `person-${round}`)).status).toBe(200);
    }
  });
}

/** The reason of a refusal, whichever door it came from: the gate, or the line when the gate had not heard yet. */
async function refusedBecause(client: ClaimClient, answer: Answer): Promise<string | undefined> {
  if (answer.status !== 202) return answer.body.code;
  const ticket = answer.body.ticket!;
  return (await outcomes(client, [ticket])).get(ticket)!.body.reason;
}
