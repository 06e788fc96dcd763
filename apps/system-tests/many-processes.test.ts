import { expect, test } from 'vitest';
import {
  claimRows,
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
import { expectProblem } from './problem.ts';

const slowMs = 60_000;
const slowestMs = 120_000;
const crowdAtOnce = 100;

/** Two API and three worker processes on the same stores. */
function manyProcesses(stack: ThisStack): void {
  const each = () => stack().apis.map(api => stack().client([api]));

  test.each([
    { crowd: 50, amount: 5 },
    { crowd: 300, amount: 30 },
    { crowd: 100, amount: 1 },
  ])('$crowd people at once on $amount, over both APIs', async ({ crowd, amount }) => {
    const client = stack().client();
    const name = freshName('sale');
    await client.create(name, amount);
    const answers = await Promise.all(people(crowd).map(user => client.claim(name, user)));
    expect(new Set(answers.map(answer => answer.api))).toEqual(new Set(stack().apis));
    expect(byStatus(answers)).toEqual({ 200: amount, 400: crowd - amount });
    const rows = await expectGranted(stack(), name, amount, amount);
    expect(peopleOf(rows)).toEqual(whoSent(answers.filter(answer => answer.status === 200)).sort());
    expectNoServerErrors(client.history);
  });

  test.each([10, 50])('one person %i times at once, over both APIs', async times => {
    const client = stack().client();
    const name = freshName('greedy');
    await client.create(name, 100);
    const answers = await Promise.all(people(times).map(() => client.claim(name, 'ann')));
    expect(byStatus(answers)).toEqual({ 200: 1, 409: times - 1 });
    await expectGranted(stack(), name, 100, 1);
  });

  test('what one API did the other one knows at once', async () => {
    const [one, other] = each() as [ReturnType<typeof each>[0], ReturnType<typeof each>[0]];
    for (let round = 0; round < 10; round++) {
      const name = freshName('both');
      await one.create(name, 1);
      expect((await other.claim(name, 'ann')).status).toBe(200);
      expectProblem(await one.claim(name, 'ann'), 409, { error: 'coupon already claimed by user' });
      expectProblem(await one.claim(name, 'bob'), 400, { error: 'coupon out of stock' });
      await one.change(name, { amount: 2 });
      expect((await other.claim(name, 'bob')).status).toBe(200);
      await other.change(name, { amount: 9, status: 'paused' });
      expectProblem(await one.join(name, 'cat'), 409, { code: 'paused' });
      await one.change(name, { status: 'active' });
      expect((await other.claim(name, 'cat')).status).toBe(200);
    }
  });

  test('a ticket of one API is the ticket of the other', async () => {
    const [one, other] = each() as [ReturnType<typeof each>[0], ReturnType<typeof each>[0]];
    const name = freshName('one ticket');
    await one.create(name, 3);
    const [ticket, polls] = await stack().whileWorkersStand(async () => {
      const accepted = (await one.join(name, 'ann')).body.ticket!;
      const again = await other.join(name, 'ann');
      expect(again.body).toMatchObject({ ticket: accepted, deduplicated: true });
      expect((await other.ticket(accepted)).body).toMatchObject({ status: 'queued', position: 1, ahead: 0 });
      return [accepted, [one.ticket(accepted, 20), other.ticket(accepted, 20)]] as const;
    });
    for (const poll of polls) expect((await poll).body).toMatchObject({ ticket, status: 'granted' });
    for (const poll of polls) expect((await poll).tookMs).toBeLessThan(15_000);
  });

  test('a code that is changed at one API is never answered valid by the other afterwards', async () => {
    const [one, other] = each() as [ReturnType<typeof each>[0], ReturnType<typeof each>[0]];
    const name = freshName('fresh');
    const codes = Array.from({ length: 4 }, (_, n) => `${name}-${n}`.replaceAll(' ', '-').toUpperCase());
    await one.create(name, 1, { per_user_limit: 9, max_redemptions_per_code: null });
    await one.post(`${couponPath(name)}/codes`, { codes });
    const [used, locked, moved, kept] = codes as [string, string, string, string];
    for (const code of codes) await one.post(`/api/codes/${code}/assign`, { user_id: 'ann' });
    const change = (fields: Record<string, unknown>) => one.change(name, fields);
    const ask = (code: string) => () =>
      other.post('/api/validations', { code, user_id: 'ann', order_value: 1 });
    const use = { user_id: 'ann', session_id: 'cart' };
    for (const [code, spoil, reason, repair] of [
      [kept, () => change({ status: 'paused' }), 'coupon_inactive', () => change({ status: 'active' })],
      [kept, () => change({ status: 'ended' }), 'coupon_inactive', () => change({ status: 'active' })],
      [
        kept,
        () => change({ starts_at: '2000-01-01T00:00:00Z', ends_at: '2001-01-01T00:00:00Z' }),
        'expired',
        () => change({ starts_at: null, ends_at: null }),
      ],
      [
        locked,
        () => one.post(`/api/codes/${locked}/lock`, use),
        'locked',
        () => one.post(`/api/codes/${locked}/unlock`, use),
      ],
      [
        moved,
        () => stack().sql`update assignments set user_id = 'bob' where code = ${moved}`,
        'not_assigned_to_user',
        () => stack().sql`update assignments set user_id = 'ann' where code = ${moved}`,
      ],
      [
        used,
        async () => {
          await change({ max_redemptions_per_code: 1 });
          return one.post(`/api/codes/${used}/redeem`, { user_id: 'ann' });
        },
        'already_used',
        null,
      ],
    ] as [string, () => PromiseLike<unknown>, string, (() => PromiseLike<unknown>) | null][])
      await expectNeverStale(ask(code), spoil, reason, repair);
    expectNoServerErrors(one.history);
  });

  test('a worker killed in the middle of a sale', { timeout: slowMs }, async () => {
    const client = stack().client();
    const name = freshName('killed');
    const amount = stack().engine === 'redis' ? 900 : 240;
    await client.create(name, amount);
    const crowd = people(amount + amount / 3);
    let killed: Promise<unknown> | undefined;
    const answers = await atMost(crowdAtOnce, crowd, async user => {
      if (!killed && client.history.length > crowd.length / 3) killed = stack().killWorker(0, 'SIGKILL');
      return client.join(name, user);
    });
    await killed;
    stack().startWorker();
    const refused = answers.filter(answer => answer.status !== 202);
    expect(refused.filter(answer => answer.body.code !== 'sold_out').map(answer => answer.text)).toEqual([]);
    const told = await outcomes(
      client,
      answers.flatMap(({ status, body }) => (status === 202 ? [body.ticket!] : [])),
    );
    const rows = await expectGranted(stack(), name, amount, amount);
    expectToldTheTruth(told, rows);
    expectNoServerErrors(client.history);
  });

  test('an API killed in the middle of a sale: its clients go to the other one', {
    timeout: slowestMs,
  }, async () => {
    const client = stack().client();
    const name = freshName('api killed');
    const amount = stack().engine === 'redis' ? 600 : 150;
    await client.create(name, amount);
    const crowd = people(amount * 2);
    let killed: Promise<unknown> | undefined;
    const answers = await atMost(crowdAtOnce, crowd, async user => {
      if (!killed && client.history.length > crowd.length / 6) killed = stack().killApi(0, 'SIGKILL');
      return client.join(name, user);
    });
    await killed;
    await stack().startApi();
    const tickets = answers.flatMap(({ body }) => (body.ticket ? [body.ticket] : []));
    const told = await outcomes(client, [...new Set(tickets)]);
    // Who was cut off may have been granted before they came to the other API: they hear that they have it.
    const cut = new Set(whoSent(answers.filter(({ resets, body }) => resets > 0 && !body.ticket)));
    expectToldTheTruth(told, await claimRows(stack(), name), { cut });
    await sellOut(client, name);
    await expectGranted(stack(), name, amount, amount);
    expectNoServerErrors(client.history);
  });
}

const roundsOfChanges = 5;
const validators = 4;

/** While some keep asking, so that whatever could be remembered is: from the change on the reason, from the repair on valid. */
async function expectNeverStale(
  ask: () => Promise<Answer>,
  spoil: () => PromiseLike<unknown>,
  reason: string,
  repair: (() => PromiseLike<unknown>) | null,
): Promise<void> {
  for (let round = 0; round < (repair ? roundsOfChanges : 1); round++) {
    let isOver = false;
    const asking = Array.from({ length: validators }, async () => {
      while (!isOver) expect([true, reason]).toContain((await ask()).body.reason ?? true);
    });
    expect((await ask()).body).toMatchObject({ valid: true });
    await spoil();
    for (let n = 0; n < validators; n++) expect((await ask()).body).toEqual({ valid: false, reason });
    await repair?.();
    if (repair) expect((await ask()).body).toMatchObject({ valid: true });
    isOver = true;
    await Promise.all(asking);
  }
}

/** A unit that was promised to a request which died with its API comes back by itself, and is sold. */
async function sellOut(client: ClaimClient, name: string): Promise<void> {
  let late = 0;
  await awaitUntil(
    'every unit to be sold',
    async () => {
      late += 1;
      await client.claim(name, `late-${late}`);
      return (await client.coupon(name)).body.remaining_amount === 0;
    },
    slowMs,
  );
}

onEachEngine({ apis: 2, workers: 3 }, manyProcesses);
