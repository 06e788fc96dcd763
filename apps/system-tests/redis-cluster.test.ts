import { setTimeout as delay } from 'node:timers/promises';
import { describeWithRedis } from '@claimline/queue/testing';
import { startTestRedisCluster, type TestRedisCluster } from '@claimline/queue/testing-cluster';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import {
  claimRows,
  expectGranted,
  expectNoServerErrors,
  expectToldTheTruth,
  freshName,
  outcomes,
  people,
} from './agree.ts';
import { type Answer, byStatus } from './answers.ts';
import { atMost, awaitUntil } from './await-until.ts';
import type { ClaimClient } from './claim-client.ts';
import { type Stack, startStack } from './stack.ts';

const startTimeoutMs = 120_000;
const slowMs = 120_000;
const crowdAtOnce = 60;
const comeAgainMs = 100;
const logCharactersShown = 6_000;
const sales = 6;

/** Two API and two worker processes on three primaries, each of which has a replica. */
describeWithRedis('on a Redis Cluster', () => {
  let cluster: TestRedisCluster;
  let stack: Stack;
  beforeAll(async () => {
    cluster = await startTestRedisCluster({ replicas: 1 });
    stack = await startStack({ engine: 'redis', apis: 2, workers: 2, redisUrl: cluster.url });
  }, startTimeoutMs);
  afterEach(({ task }) => {
    if (task.result?.state === 'fail') process.stderr.write(`${stack?.logs().slice(-logCharactersShown)}\n`);
  });
  afterAll(async () => {
    await stack?.stop();
    await cluster?.stop();
  });

  async function openSales(client: ClaimClient, amount: number): Promise<string[]> {
    const names = Array.from({ length: sales }, () => freshName('sale'));
    for (const name of names) await client.create(name, amount);
    return names;
  }

  async function expectVerified(): Promise<void> {
    const { code, lines } = await stack.runCommand('verify');
    expect([code, lines.join('\n')]).toEqual([0, expect.any(String)]);
  }

  /** Somebody who comes again when told to. */
  async function join(client: ClaimClient, name: string, user: string): Promise<Answer> {
    for (;;) {
      const answer = await client.join(name, user);
      if (answer.status !== 503) return answer;
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
      await delay(comeAgainMs);
    }
  }

  test('crowds at sales on all primaries, everybody twice at once', { timeout: slowMs }, async () => {
    const client = stack.client();
    const names = await openSales(client, 10);
    const answers = await Promise.all(
      names.flatMap(name => people(30).flatMap(user => [client.claim(name, user), client.claim(name, user)])),
    );
    const { 200: granted, 409: again = 0, 400: soldOut = 0, ...others } = byStatus(answers);
    expect(others).toEqual({});
    expect(granted).toBe(10 * sales);
    expect(again + soldOut).toBe(50 * sales);
    for (const name of names) await expectGranted(stack, name, 10, 10);
    for (const node of cluster.nodes) expect(await node.command('DBSIZE')).toBeGreaterThan(0);
    expectNoServerErrors(client.history);
    await expectVerified();
  });

  test('a primary and a worker killed -9 under load', { timeout: slowMs }, async () => {
    const client = stack.client();
    const amount = 60;
    const names = await openSales(client, amount);
    const crowd = people(amount + 20).flatMap(user => names.map(name => ({ name, user })));
    let killed: Promise<unknown> | undefined;
    async function kill() {
      const primary = await cluster.primaryOf('{lanes}:wanted');
      await Promise.all([primary.stop(), stack.killWorker(0, 'SIGKILL')]);
      stack.startWorker();
    }
    const tickets = await atMost(crowdAtOnce, crowd, async ({ name, user }) => {
      const { ticket } = (await join(client, name, user)).body;
      if (client.history.length > crowd.length / 2) killed ??= kill();
      await killed;
      if (ticket) await client.ticket(ticket);
      return ticket;
    });
    const told = await outcomes(
      client,
      tickets.filter(ticket => ticket !== undefined),
    );
    for (const name of names) {
      await sellOut(client, name);
      await expectGranted(stack, name, amount, amount);
    }
    expectToldTheTruth(told, (await Promise.all(names.map(name => claimRows(stack, name)))).flat());
    expectNoServerErrors(client.history, [503]);
    await expectVerified();
  });

  /** Units that were for those whose places were lost are sold to others. */
  async function sellOut(client: ClaimClient, name: string): Promise<void> {
    let late = 0;
    await awaitUntil(
      'every unit to be sold',
      async () => {
        if ((await client.coupon(name)).body.remaining_amount === 0) return true;
        await client.claim(name, `late-${late++}`);
        return false;
      },
      slowMs,
    );
  }
});
