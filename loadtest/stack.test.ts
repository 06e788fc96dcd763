import { closePool, openPool } from '@claimline/db/pool';
import { describeWithRedis } from '@claimline/queue/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { explainSettle } from './explain-settle.ts';
import { fillClaims } from './fill.ts';
import { measure } from './measure.ts';
import { runBaseline } from './measure-baseline.ts';
import { type Stack, startStack } from './stack.ts';
import { DUPLICATES, FLASH, GRANTED } from './subject.ts';

const shape = { seconds: Number.POSITIVE_INFINITY, connections: 40, rate: 0 };

describeWithRedis('a stack', () => {
  let stack: Stack;
  beforeAll(async () => {
    const plan = { echo: false, rowlock: false, apis: 1, workers: 1, profiled: false, keepFolder: false };
    stack = await startStack(plan);
  });
  afterAll(() => stack.stop());

  it('counts every claim of one coupon, of several, and of people who ask ten times at once', async () => {
    const granted = await measure(stack, GRANTED, { ...shape, requests: 400 });
    expect(granted).toMatchObject({ accepted: 400, load: { answers: 400, statuses: { 202: 400 } } });
    const several = await measure(stack, { ...GRANTED, coupons: 7 }, { ...shape, requests: 400 });
    expect(several).toMatchObject({ accepted: 400, load: { answers: 400 } });
    const storm = await measure(stack, DUPLICATES, { ...shape, requests: 400 });
    expect(storm.load.statuses).toEqual({ 200: 40, 409: 360 });
  });

  it('fails on an answer that it does not expect', async () => {
    const wrong = { ...FLASH, expectedStatuses: [202] };
    await expect(measure(stack, { ...wrong, amount: 10 }, { ...shape, requests: 2000 })).rejects.toThrow(
      'unexpected status 409',
    );
  });

  it('runs the baselines that bring their own load', async () => {
    const { databaseUrl, redisUrl } = stack.stores.claimline!;
    await stack.addNode('hop-worker', ['loadtest/baselines/bullmq-worker.ts', 'hop', redisUrl, databaseUrl]);
    const hop = { queue: 'hop', redis: redisUrl, database: databaseUrl, seconds: 0.3 };
    const quiet = await runBaseline(stack, 'bullmq', { ...hop, rate: 200 });
    expect(quiet.answers).toBe(60);
    const outcomes = quiet.outcomes!.buckets.reduce((sum, [, count]) => sum + count, 0);
    expect(outcomes).toBe(60);
    const bulk = await runBaseline(stack, 'bulk', { database: databaseUrl, seconds: 0.3 });
    expect(bulk.settled).toBeGreaterThan(0);
    expect(bulk.settled % 500).toBe(0);
  });

  it('stores claims that keep the rules, and settles beside them by index alone', async () => {
    const { databaseUrl } = stack.stores.claimline!;
    expect(await fillClaims(databaseUrl, 150_000)).toMatchObject({ claims: 150_000, coupons: 2 });
    const sql = openPool({ url: databaseUrl, applicationName: 'test', max: 1 });
    try {
      const coupons = await sql`
        select
          coupons.name, amount - remaining_amount as taken, granted_count, claimed_count,
          count(*) as rows, min(sequence) as first, max(sequence) as last
        from coupons join claims on coupon_name = coupons.name
        where starts_with(coupons.name, 'stored-') group by coupons.name order by coupons.name`;
      const expected = ([name, count]: [string, number]) => ({
        ...{ name, taken: count, granted_count: count, claimed_count: count },
        ...{ rows: count, first: 1, last: count },
      });
      const entries: [string, number][] = [
        ['stored-0000', 100_000],
        ['stored-0001', 50_000],
      ];
      expect([...coupons]).toEqual(entries.map(expected));
    } finally {
      await closePool(sql, 1);
    }
    const plan = await explainSettle(databaseUrl);
    expect(plan).toContain('claims_user_id_coupon_name_ordinal_key');
    expect(plan).not.toContain('Seq Scan');
  });
});
