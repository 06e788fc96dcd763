import { expect, test } from 'vitest';
import { claimRows, expectNoServerErrors, freshName, outcomes, people } from '../agree.ts';
import { awaitUntil } from '../await-until.ts';
import type { ThisStack } from '../engines.ts';
import { expectProblem } from '../problem.ts';
import { openSale, seeToTheEnd } from '../sale.ts';
import type { Engine } from '../stack.ts';

const slowMs = 120_000;
const quicklyMs = 6_000;
const acceptedBlindly = 60;

/** Stores restarted, emptied, or away, in the middle of a sale. */
export function lostStores(stack: ThisStack, engine: Engine): void {
  const amount = () => (engine === 'redis' ? 900 : 240);

  if (engine === 'redis') {
    test('redis restarted tidily loses no place', { timeout: slowMs }, async () => {
      const sale = await openSale(stack(), freshName('redis restarted'), amount());
      await sale.accepted(amount() / 4);
      await stack().restartRedis('SIGTERM');
      await seeToTheEnd(stack(), sale);
    });

    test('redis killed may lose places, and says so', { timeout: slowMs }, async () => {
      const sale = await openSale(stack(), freshName('redis killed'), amount());
      await sale.accepted(amount() / 4);
      await stack().restartRedis('SIGKILL');
      await seeToTheEnd(stack(), sale, true);
    });

    test('redis emptied loses no grant, and every place is found or owned up to', {
      timeout: slowMs,
    }, async () => {
      const sale = await openSale(stack(), freshName('redis emptied'), amount());
      await sale.accepted(amount() / 4);
      const before = await claimRows(stack(), sale.name);
      expect(await stack().redis!.command('FLUSHALL')).toMatch(/^\+OK/);
      await seeToTheEnd(stack(), sale, true);
      const after = await claimRows(stack(), sale.name);
      expect(after.slice(0, before.length)).toEqual(before);
    });

    test('redis away: 503 soon, with Retry-After, and back by itself', { timeout: slowMs }, async () => {
      const client = stack().client();
      const name = freshName('redis away');
      await client.create(name, 5);
      await client.claim(name, 'ann');
      await stack().redis!.stop();
      try {
        const refused = await client.join(name, 'bob');
        expectProblem(refused, 503);
        expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
        expect(refused.tookMs).toBeLessThan(quicklyMs);
        const byForm = await client.claim(name, 'bob');
        expectProblem(byForm, 503);
        expect((await client.get('/health')).status).toBe(503);
      } finally {
        await stack().redis!.start();
      }
      await awaitUntil(
        'bob to be accepted',
        async () => (await client.claim(name, 'bob')).status === 200,
        30_000,
      );
      await awaitUntil('health', async () => (await client.get('/health')).status === 200, 30_000);
      expect((await client.coupon(name)).body.claimed_by).toEqual(['ann', 'bob']);
    });

    test('postgres away: claims are accepted, and settled when it is back', { timeout: slowMs }, async () => {
      const client = stack().client();
      const name = freshName('postgres away');
      await client.create(name, acceptedBlindly);
      for (const api of stack().apis) await stack().client([api]).claim(name, 'ann');
      await stack().postgres.kill();
      let tickets: string[];
      try {
        const answers = await Promise.all(people(acceptedBlindly + 20).map(user => client.join(name, user)));
        const accepted = answers.filter(answer => answer.status === 202);
        expect(accepted.length).toBeGreaterThanOrEqual(acceptedBlindly - 1);
        for (const answer of answers)
          if (answer.status !== 202) expectProblem(answer, 409, { code: 'sold_out' });
        tickets = accepted.map(answer => answer.body.ticket!);
        const health = await client.get('/health');
        expect([health.status, health.body.status]).toEqual([503, 'unhealthy']);
      } finally {
        await stack().postgres.restart();
      }
      const told = [...(await outcomes(client, tickets)).values()];
      expect(told.filter(answer => answer.body.status === 'granted').length).toBe(acceptedBlindly - 1);
      expect((await claimRows(stack(), name)).map(row => row.sequence).at(-1)).toBe(acceptedBlindly);
      await awaitUntil('health', async () => (await client.get('/health')).status === 200, 30_000);
      expectNoServerErrors(client.history, [503]);
    });
  }

  test('postgres restarted at once, twice', { timeout: slowMs }, async () => {
    const sale = await openSale(stack(), freshName('postgres restarted'), amount());
    await sale.accepted(amount() / 4);
    await stack().postgres.restart('immediate');
    await sale.accepted(amount() / 2);
    await stack().postgres.restart('immediate');
    await seeToTheEnd(stack(), sale);
    const client = stack().client();
    await awaitUntil('health', async () => (await client.get('/health')).status === 200, 30_000);
  });
}
