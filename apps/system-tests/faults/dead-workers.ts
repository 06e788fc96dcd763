import { openSession } from '@claimline/db/session';
import { expect, test } from 'vitest';
import { freshName } from '../agree.ts';
import { awaitUntil } from '../await-until.ts';
import type { ThisStack } from '../engines.ts';
import { nextSettlementMs, openSale, seeToTheEnd } from '../sale.ts';

const slowMs = 120_000;
const nextSettlementWithinMs = 10_000;

/** Workers killed -9 in the middle of their work. */
export function deadWorkers(stack: ThisStack): void {
  const amount = () => (stack().engine === 'redis' ? 1_200 : 300);

  test('one of two is killed, then the other and a new one started', { timeout: slowMs }, async () => {
    const sale = await openSale(stack(), freshName('killed'), amount());
    await sale.accepted(amount() / 6);
    let killedAt = performance.now();
    await stack().killWorker(0, 'SIGKILL');
    expect(await nextSettlementMs(sale, killedAt)).toBeLessThan(nextSettlementWithinMs);

    await sale.accepted(amount() / 2);
    killedAt = performance.now();
    await stack().killWorker(1, 'SIGKILL');
    stack().startWorker();
    expect(await nextSettlementMs(sale, killedAt)).toBeLessThan(nextSettlementWithinMs);
    await seeToTheEnd(stack(), sale);
    stack().startWorker();
  });

  test('one is killed while it hands out codes: none twice, none lost', { timeout: slowMs }, async () => {
    const name = freshName('killed with codes');
    const path = `/api/coupons/${encodeURIComponent(name)}`;
    const sale = await openSale(stack(), name, amount(), async client => {
      const { status } = await client.post(`${path}/codes/generate`, { quantity: amount() });
      expect(status).toBe(201);
    });
    await sale.accepted(amount() / 6);
    const workers = stack().pids().workers.length;
    await Promise.all(Array.from({ length: workers }, (_, index) => stack().killWorker(index, 'SIGKILL')));
    for (let count = 0; count < 2; count++) stack().startWorker();
    await seeToTheEnd(stack(), sale);
    const [counted] = await stack().sql`
      select count(*)::int as claims, count(distinct code)::int as codes, count(distinct claim_id)::int as with_code
      from claims left join assignments on claim_id = claims.id where coupon_name = ${name}`;
    expect({ ...counted }).toEqual({ claims: amount(), codes: amount(), with_code: amount() });
    expect((await sale.client.get(`${path}/stats`)).body).toMatchObject({ total: amount(), available: 0 });
  });

  test('all are killed while a settlement is on its way to commit', { timeout: slowMs }, async () => {
    const name = freshName('mid-batch');
    const client = stack().client();
    const locker = await openSession({ url: stack().database, applicationName: 'system tests' });
    const sale = await openSale(stack(), name, amount() / 3);
    await sale.accepted(10);
    await locker.sql`begin`;
    await locker.sql`select 1 from coupons where name = ${name} for update`;
    await awaitUntil('a settlement to wait for the row', async () => {
      const [row] = await stack().sql`
        select count(*)::int as waiting from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock' and query ilike '%claims%'`;
      return row!.waiting > 0;
    });
    await Promise.all(
      stack()
        .pids()
        .workers.map((_, index) => stack().killWorker(index, 'SIGKILL')),
    );
    await locker.sql`commit`;
    await locker.close();
    for (let count = 0; count < 2; count++) stack().startWorker();
    await seeToTheEnd(stack(), sale);
    expect((await client.coupon(name)).body.remaining_amount).toBe(0);
  });
}
