import { setTimeout as delay } from 'node:timers/promises';
import { awaitUntil } from '../await-until.ts';
import { couponPath } from '../claim-client.ts';
import type { Arena } from './arena.ts';
import type { Crowd } from './crowd.ts';
import type { Fault } from './fault.ts';

const pauseMostMs = 1_000;
const healthyWithinMs = 30_000;
const heardWithinMs = 5_000;

/** Postgres restarted at once, killed, frozen, and away while claims keep coming. */
export const postgresLost: Fault = {
  id: 'F5',
  title: 'Postgres restarted at once, killed -9, frozen, away while claims keep coming',
  engines: ['redis', 'postgres'],
  async run(arena) {
    const { stack, random, sized } = arena;
    const crowd = await arena.crowd({ perSecond: stack.redis ? 120 : 25 });
    for (let round = 0; round < sized(2, 4, 10); round++) {
      arena.injected('Postgres restarted at once');
      await stack.postgres.restart('immediate');
      await crowd.recovers(Date.now());
      await delay(random.between(0, pauseMostMs));
    }
    arena.injected('Postgres killed -9');
    await stack.postgres.restart('kill');
    await crowd.recovers(Date.now());

    arena.injected('Postgres frozen');
    stack.postgres.freeze();
    await delay(sized(3_000, 7_000, 30_000));
    stack.postgres.thaw();
    await crowd.recovers(Date.now());

    await takeAway(arena, crowd);
    await crowd.seeOut();
    await expectHearing(arena);
  },
};

/** On Redis, claims are accepted without Postgres, and settled when it is back. */
async function takeAway({ stack, sized, injected, finding, figure }: Arena, crowd: Crowd): Promise<void> {
  injected('Postgres away');
  const before = crowd.accepted();
  await stack.postgres.kill();
  await delay(sized(3_000, 10_000, 60_000));
  const accepted = crowd.accepted() - before;
  if (stack.redis && accepted === 0) finding('no claim was accepted while Postgres was away');
  figure(`${accepted} claims accepted while Postgres was away`);
  await stack.postgres.restart();
  await crowd.recovers(Date.now());
}

/** LISTEN is back: each API hears of an outcome well before the wait of the caller is over. */
async function expectHearing({ stack, finding }: Arena): Promise<void> {
  for (const api of stack.apis) {
    const client = stack.client([api]);
    await awaitUntil('health', async () => (await client.get('/health')).status === 200, healthyWithinMs);
    const name = `heard ${api} ${Date.now()}`;
    await client.create(name, 1);
    const { status, tookMs } = await client.post(
      `${couponPath(name)}/claims`,
      { user_id: 'ann' },
      { prefer: 'wait=20' },
    );
    if (status !== 200 || tookMs > heardWithinMs)
      finding(`after Postgres was back a claim was answered ${status} after ${Math.round(tookMs)} ms`);
  }
}
