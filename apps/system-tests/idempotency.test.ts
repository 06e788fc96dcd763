import { tmpdir } from 'node:os';
import { transaction } from '@claimline/db/transaction';
import { expect, test } from 'vitest';
import { expectGranted, expectNoServerErrors, freshName } from './agree.ts';
import { awaitUntil } from './await-until.ts';
import { type ClaimClient, couponPath } from './claim-client.ts';
import { onEachEngine, type ThisStack } from './engines.ts';
import { startFleet } from './fleet.ts';
import { everyCall } from './idempotency/every-call.ts';
import { isReplay, keyed, untilAnswered } from './idempotency-key.ts';
import { expectProblem } from './problem.ts';
import type { Engine, Stack } from './stack.ts';
import { openWay } from './way.ts';

const slowMs = 60_000;
/** Long enough to be killed in, between a commit and the hearing of it. */
const farMs = 250;

/** A key for a name, which may have what no key has. */
const keyFor = (name: string) => keyed(encodeURIComponent(name));

/** Passes the time after which a run that nothing is heard of counts as dead. */
const letLeasesLapse = (stack: Stack) =>
  stack.sql`update idempotency_keys set leased_until = now() where status is null`;

/** Awaits that so many people are in line at the API that the client asks. */
const inLine = (client: ClaimClient, name: string, count: number) =>
  awaitUntil(
    `${count} in line`,
    async () => (await client.get(`${couponPath(name)}/line`)).body.in_line === count,
  );

/** Requests with a key whose process dies at one line or another, and which are sent again. */
function crashes(stack: ThisStack, engine: Engine): void {
  /** One that asks the first API and, when it is dead, the other; and one that asks the other. */
  const clients = () => [stack().client(), stack().client([stack().apis[1]!])] as const;

  test('creating, killed between the work and the keeping of its answer', { timeout: slowMs }, async () => {
    const [client, other] = clients();
    const name = freshName('killed early');
    const create = (by: ClaimClient) => by.post('/api/coupons', { name, amount: 3 }, keyFor(name));
    const lost = await transaction(stack().database, async tx => {
      await tx`lock table idempotency_keys in share mode`; // It can be read, and not written to.
      const sent = create(client);
      await awaitUntil('the answer to be kept', async () => {
        const waiting = await stack().sql`
          select from pg_locks where relation = 'idempotency_keys'::regclass and not granted`;
        return waiting.length === 1;
      });
      await stack().killApi(0);
      return sent;
    });
    // The client went to the other one meanwhile, while Postgres had not heard of the death.
    expect([lost.resets > 0, lost.body.code]).toEqual([true, 'idempotency_key_in_use']);
    const answer = await untilAnswered(() => create(other));
    expect([answer.status, isReplay(answer)], answer.text).toEqual([201, false]);
    expect((await other.coupon(name)).body).toEqual(answer.body);
    expect(isReplay(await create(other))).toBe(true);
    await stack().startApi();
  });

  test('creating, killed after the commit and before it was heard of', { timeout: slowMs }, async () => {
    const far = await openWay(stack().database);
    const environment = {
      HOST: '127.0.0.1',
      DATABASE_URL: far.url,
      DATA_DIR: tmpdir(),
      LOG_LEVEL: 'warn',
      ...(stack().redis && { REDIS_URL: stack().redis!.url }),
    };
    const fleet = await startFleet(() => environment, { apis: 1, workers: 0 });
    try {
      await fleet.healthy();
      far.delayMs = farMs;
      const client = stack().client([fleet.addresses[0]!, stack().apis[1]!]);
      const name = freshName('killed late');
      const create = () => client.post('/api/coupons', { name, amount: 3 }, keyFor(name));
      const sent = create();
      const isCommitted = async () =>
        (await stack().sql`select from coupons where name = ${name}`).length === 1;
      await awaitUntil('the commit', isCommitted);
      await fleet.killApi(0);
      const answer = await sent;
      expect([answer.resets > 0, answer.status, isReplay(answer)], answer.text).toEqual([true, 201, true]);
      expect((await client.coupon(name)).body).toEqual(answer.body);
    } finally {
      await fleet.end();
      await far.end();
    }
  });

  test('claiming, killed while the claim is in line: the next request has its grant', {
    timeout: slowMs,
  }, async () => {
    const [client, other] = clients();
    const name = freshName('killed in line');
    await client.create(name, 5);
    const simply = (by: ClaimClient) =>
      by.post('/api/coupons/claim', { user_id: 'ann', coupon_name: name }, keyFor(`${name} ann`));
    const waiting = (by: ClaimClient) =>
      by.post(
        `${couponPath(name)}/claims`,
        { user_id: 'bob' },
        { ...keyFor(`${name} bob`), prefer: 'wait=9' },
      );
    const first = stack().client([stack().apis[0]!, stack().apis[1]!]);
    const second = stack().client([stack().apis[0]!, stack().apis[1]!]);
    const lost = await stack().whileWorkersStand(async () => {
      const sent = [simply(first), waiting(second)];
      await inLine(stack().client([stack().apis[0]!]), name, 2);
      await stack().killApi(0);
      return Promise.all(sent);
    });
    for (const answer of lost)
      expect([answer.resets > 0, answer.body.code]).toEqual([true, 'idempotency_key_in_use']);
    await letLeasesLapse(stack());
    for (const [user, claim] of [['ann', simply] as const, ['bob', waiting] as const]) {
      const answer = await untilAnswered(() => claim(other));
      expect([answer.status, isReplay(answer)], answer.text).toEqual([200, false]);
      expect(answer.body).toMatchObject({ user_id: user, status: 'granted' });
      const again = await claim(other);
      expect([again.text, isReplay(again)]).toEqual([answer.text, true]);
    }
    // Without the key they have it already.
    expectProblem(await other.claim(name, 'ann'), 409, { code: 'already_claimed' });
    await expectGranted(stack(), name, 5, 2);
    await stack().startApi();
  });

  test('a process that only slept past its lease gives the answer of the one that took over', {
    timeout: slowMs,
  }, async () => {
    const [, other] = clients();
    const sleepy = stack().client([stack().apis[0]!]);
    const name = freshName('slept');
    await other.create(name, 5);
    const claim = (by: ClaimClient) =>
      by.post('/api/coupons/claim', { user_id: 'ann', coupon_name: name }, keyFor(name));
    const sent = await stack().whileWorkersStand(async () => {
      const asked = claim(sleepy);
      await inLine(sleepy, name, 1);
      await stack().killApi(0, 'SIGSTOP');
      return [asked];
    });
    await letLeasesLapse(stack());
    const answer = await claim(other);
    expect([answer.status, isReplay(answer)], answer.text).toEqual([200, false]);
    await stack().killApi(0, 'SIGCONT');
    const late = await sent[0]!;
    expect([late.status, late.text, isReplay(late)]).toEqual([200, answer.text, true]);
    await expectGranted(stack(), name, 5, 1);
  });

  if (engine === 'redis')
    test('with Postgres away a claim with a key is told to come back, and one without is taken', {
      timeout: slowMs,
    }, async () => {
      const [, client] = clients();
      const name = freshName('postgres away');
      await client.create(name, 5);
      await client.claim(name, 'ann');
      await stack().postgres.kill();
      const join = (user: string, headers = {}) => client.join(name, user, headers);
      try {
        const refused = await join('bob', keyFor(name));
        expectProblem(refused, 503, { code: 'unavailable' });
        expect(refused.headers.get('retry-after')).toBe('1');
        expect((await join('cat')).status).toBe(202);
      } finally {
        await stack().postgres.restart();
      }
      await awaitUntil('health', async () => (await client.get('/health')).status === 200, 30_000);
      const answer = await untilAnswered(() => join('bob', keyFor(name)));
      expect([answer.status, isReplay(answer)], answer.text).toEqual([202, false]);
      expect(isReplay(await join('bob', keyFor(name)))).toBe(true);
      await awaitUntil('cat and bob to be granted', async () => {
        return (await client.coupon(name)).body.claimed_count === 3;
      });
      await expectGranted(stack(), name, 5, 3);
      expectNoServerErrors(client.history, [503]);
    });
}

onEachEngine({ apis: 2, workers: 1 }, (stack, engine) => {
  everyCall(stack);
  crashes(stack, engine);
});
