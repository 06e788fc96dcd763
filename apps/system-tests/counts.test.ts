import { expect, test } from 'vitest';
import {
  expectGranted,
  expectNoServerErrors,
  expectToldTheTruth,
  freshName,
  outcomes,
  people,
  peopleOf,
} from './agree.ts';
import { type Answer, byStatus, whoSent } from './answers.ts';
import { atMost, awaitUntil } from './await-until.ts';
import { type ClaimClient, couponPath } from './claim-client.ts';
import { onEachEngine, type ThisStack } from './engines.ts';
import type { Stack } from './stack.ts';

/** Requests at once for the sale that is too large to send at once. */
const crowdAtOnce = 200;
const manyCouponsMs = 60_000;
const largeSaleMs = 120_000;

const sales = [
  { crowd: 50, amount: 5 },
  { crowd: 100, amount: 10 },
  { crowd: 200, amount: 20 },
  { crowd: 500, amount: 50 },
  { crowd: 100, amount: 1 },
  { crowd: 40, amount: 40 },
  { crowd: 30, amount: 60 },
];

const greedy = [
  { times: 10, amount: 100 },
  { times: 50, amount: 100 },
  { times: 20, amount: 1 },
];

/** Everybody at once, by the simple form. */
const stampede = (client: ClaimClient, name: string, users: readonly string[]): Promise<Answer[]> =>
  Promise.all(users.map(user => client.claim(name, user)));

function exactCounts(stack: ThisStack): void {
  test.each(sales)('$crowd people at once on $amount', async ({ crowd, amount }) => {
    const client = stack().client();
    const name = freshName('sale');
    await client.create(name, amount);
    const answers = await stampede(client, name, people(crowd));
    const granted = Math.min(crowd, amount);
    const refused = crowd - granted;
    expect(byStatus(answers)).toEqual({ 200: granted, ...(refused && { 400: refused }) });
    const told = new Set(answers.filter(answer => answer.status === 400).map(answer => answer.body.error));
    expect([...told]).toEqual(refused ? ['coupon out of stock'] : []);
    const rows = await expectGranted(stack(), name, amount, granted);
    expect(peopleOf(rows)).toEqual(whoSent(answers.filter(answer => answer.status === 200)).sort());
    expectNoServerErrors(client.history);
  });

  test.each(greedy)('one person $times times at once on $amount', async ({ times, amount }) => {
    const client = stack().client();
    const name = freshName('greedy');
    await client.create(name, amount);
    const answers = await stampede(client, name, new Array(times).fill('ann'));
    expect(byStatus(answers)).toEqual({ 200: 1, 409: times - 1 });
    for (const { status, body } of answers)
      if (status === 409) expect(body.error).toBe('coupon already claimed by user');
    await expectGranted(stack(), name, amount, 1);
    expectNoServerErrors(client.history);
  });

  test('20 people five times each at once on 12', async () => {
    const client = stack().client();
    const name = freshName('crowd of greedy');
    await client.create(name, 12);
    const crowd = people(20);
    const answers = await stampede(client, name, [...crowd, ...crowd, ...crowd, ...crowd, ...crowd]);
    const rows = await expectGranted(stack(), name, 12, 12);
    expect(peopleOf(rows)).toEqual(whoSent(answers.filter(answer => answer.status === 200)).sort());
    expect(Object.keys(byStatus(answers))).toEqual(['200', '400', '409']);
    expectNoServerErrors(client.history);
  });

  test('15 creates and 15 claims of one name at once', async () => {
    const client = stack().client();
    const name = freshName('created while claimed');
    const both = people(15).map(user => [client.create(name, 100), client.claim(name, user)] as const);
    const created = await Promise.all(both.map(([create]) => create));
    const claimed = await Promise.all(both.map(([, claim]) => claim));
    expect(byStatus(created)).toEqual({ 201: 1, 409: 14 });
    const granted = claimed.filter(answer => answer.status === 200);
    expect(byStatus(claimed.filter(answer => answer.status !== 200 && answer.status !== 404))).toEqual({});
    expect(peopleOf(await expectGranted(stack(), name, 100, granted.length))).toEqual(
      whoSent(granted).sort(),
    );
  });

  test('one person on twenty coupons at once', async () => {
    const client = stack().client();
    const names = people(20).map(() => freshName('many'));
    await Promise.all(names.map(name => client.create(name, 2)));
    const answers = await Promise.all(names.map(name => client.claim(name, 'ann')));
    expect(byStatus(answers)).toEqual({ 200: 20 });
    for (const name of names) await expectGranted(stack(), name, 2, 1);
  });

  test('sixty coupons one after the other, each at once', { timeout: manyCouponsMs }, async () => {
    const client = stack().client();
    for (const name of people(60).map(() => freshName('another'))) {
      await client.create(name, 2);
      expect((await client.claim(name, 'ann')).status).toBe(200);
    }
  });

  test('ten coupons, created, claimed and read all at once', async () => {
    const client = stack().client();
    const names = people(10).map(() => freshName('mixed'));
    await Promise.all(
      names.map(async name => {
        await client.create(name, 8);
        await Promise.all(people(12).flatMap(user => [client.claim(name, user), client.coupon(name)]));
      }),
    );
    for (const name of names) await expectGranted(stack(), name, 8, 8);
    const reads = client.history.filter(answer => answer.method === 'GET');
    const torn = reads.filter(({ body }) => body.remaining_amount! + body.claimed_by!.length !== 8);
    expect(torn.map(answer => answer.text)).toEqual([]);
    expectNoServerErrors(client.history);
  });
}

onEachEngine({}, (stack, engine) => {
  exactCounts(stack);
  if (engine === 'redis') {
    test('50,000 people on 1,000', { timeout: largeSaleMs }, () => largeSale(stack(), 50_000, 1_000));
  }
});

async function largeSale(stack: Stack, crowd: number, amount: number): Promise<void> {
  const client = stack.client();
  const name = freshName('large sale');
  await client.create(name, amount);
  const answers = await atMost(crowdAtOnce, people(crowd), user => client.join(name, user));
  expect(Object.keys(byStatus(answers))).toEqual(['202', '409']);
  const refused = answers.filter(answer => answer.status === 409);
  expect([...new Set(refused.map(answer => answer.body.code))]).toEqual(['sold_out']);
  await lineIsEmpty(client, name);
  const rows = await expectGranted(stack, name, amount, amount);
  const accepted = answers.filter(answer => answer.status === 202).map(answer => answer.body.ticket!);
  expectToldTheTruth(await outcomes(client, accepted), rows);
  expectNoServerErrors(client.history);
}

async function lineIsEmpty(client: ClaimClient, name: string): Promise<void> {
  await awaitUntil(
    'the line to be empty',
    async () => {
      const line = (await client.get(`${couponPath(name)}/line`)).body;
      return line.in_line === 0 && line.remaining_amount === 0;
    },
    30_000,
  );
}
