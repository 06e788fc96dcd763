import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { byStatus } from './answers.ts';
import { awaitUntil } from './await-until.ts';
import { couponPath } from './claim-client.ts';
import { redisAvailable, redisRequired } from './redis-available.ts';
import { type Stack, startStack } from './stack.ts';

const slowMs = 240_000;
const inFlight = 1_300;
const waiting = 5;
/** Fewer than may be in flight, and more than a train and those who may always wait for the next. */
const crowd = 1_200;
const lateMs = 100;
const soonMs = 60_000;

describe.skipIf(!redisAvailable && !redisRequired)('an API process that is asked too much', () => {
  let stack: Stack;
  beforeAll(async () => {
    const env = {
      REQUESTS_IN_FLIGHT: String(inFlight),
      REQUESTS_WAITING: String(waiting),
      CLAIM_WAIT_MS: '50',
    };
    stack = await startStack({ engine: 'redis', hasWays: true, env });
  }, slowMs);
  afterAll(() => stack.stop(), slowMs);

  /** A counter or gauge of the API, 0 while there is none. */
  async function metric(name: string): Promise<number> {
    const { text } = await stack.client().get('/metrics');
    const line = text.split('\n').find(one => one.startsWith(`${name} `));
    return Number(line?.slice(name.length + 1) ?? 0);
  }

  test('tells the public to come again when its requests in flight are too many, and answers operators and monitors', {
    timeout: slowMs,
  }, async () => {
    const client = stack.client();
    const { postgres } = stack.ways!.apis[0]!;
    postgres.holdRequests();
    const asked = Array.from({ length: inFlight }, (_, i) => client.join(`held ${i}`, 'ada'));
    const toppedUp: Promise<unknown>[] = [];
    await awaitUntil(
      'all to be in flight',
      async () => {
        const now = await metric('claimline_requests_in_flight');
        // The look is in flight itself. Whose query was given up has left a place.
        for (let n = now; n <= inFlight; n++) toppedUp.push(client.join(`held ${n}`, 'bob'));
        return now === inFlight + 1;
      },
      soonMs,
    );
    const shed = await metric('claimline_shed_total{why="in_flight"}');
    // At once: each is turned away after some seconds, and then those in flight have begun to be given up.
    for (const refused of await Promise.all([
      client.join('one more', 'ada'),
      client.claim('one more', 'ada'),
      client.ticket('tkt_none'),
    ])) {
      expect(refused).toMatchObject({ status: 503, body: { code: 'overloaded' } });
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
      expect(Number(refused.headers.get('retry-after'))).toBeLessThanOrEqual(5);
    }
    expect(await metric('claimline_shed_total{why="in_flight"}')).toBeGreaterThanOrEqual(shed + 3);
    expect((await client.get('/livez')).status).toBe(200);
    expect((await client.get('/readyz')).status).toBe(200);
    // Postgres is held up, so it is not healthy; but it says so.
    const health = await client.get('/health');
    expect(health.body).toMatchObject({ status: 'unhealthy' });
    expect(health.headers.get('retry-after')).toBe('1');
    const created = client.create('by an operator', 1);
    postgres.release();
    expect((await created).status).toBe(201);
    // A query that was held up may have been given up; but who was let in is not turned away.
    await Promise.all(toppedUp);
    const codes = new Set((await Promise.all(asked)).map(({ body }) => body.code));
    codes.delete('unavailable');
    expect([...codes]).toEqual(['coupon_not_found']);
    expect((await client.get('/health')).status).toBe(200);
    expect((await client.claim('by an operator', 'ada')).status).toBe(200);
  });

  test('keeps as many waiting for an outcome as it may, and gives the others their tickets at once', {
    timeout: slowMs,
  }, async () => {
    const client = stack.client();
    await client.create('waited for', 100);
    const wait = { prefer: 'wait=30' };
    const { waiters, tickets } = await stack.whileWorkersStand(async () => {
      // Whoever only asks for the head of a stream waits for nothing.
      const { ticket } = (await client.join('waited for', 'head')).body;
      for (let n = 0; n < waiting; n++)
        expect((await client.request('HEAD', `/api/tickets/${ticket}/events`)).status).toBe(200);
      const waiters = Array.from({ length: waiting }, (_, i) => client.join('waited for', `w${i}`, wait));
      await awaitUntil('all to wait', async () => (await metric('claimline_waiters')) === waiting, soonMs);
      const late = await client.join('waited for', 'late', wait);
      expect(late).toMatchObject({ status: 202, body: { status: 'queued' } });
      expect(await client.ticket(late.body.ticket!, 30)).toMatchObject({ body: { status: 'queued' } });
      expect(await client.get(`/api/tickets/${late.body.ticket}/events`)).toMatchObject({
        status: 503,
        body: { code: 'overloaded' },
      });
      return { waiters, tickets: [late.body.ticket!] };
    });
    expect(byStatus(await Promise.all(waiters))).toEqual({ 200: waiting });
    expect((await client.ticket(tickets[0]!, 30)).body.status).toBe('granted');
    expect(await metric('claimline_shed_total{why="waiters"}')).toBe(3);
  });

  test('turns claims away once all have waited too long for too long, until the crowd is gone', {
    timeout: slowMs,
  }, async () => {
    const client = stack.client();
    await client.create('besieged', 1_000_000);
    stack.ways!.apis[0]!.redis!.delayMs = lateMs;
    let isOver = false;
    let accepted = 0;
    const people = Array.from({ length: crowd }, async (_, person) => {
      for (let nth = 0; !isOver; nth++) {
        const { status, body, headers } = await client.join('besieged', `p${person}-${nth}`);
        if (status === 202) accepted++;
        else {
          expect(Number(headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
          // A store that is late may also be given up.
          expect(['overloaded', 'unavailable']).toContain(body.code);
        }
      }
    });
    const turnedAway = async () => (await metric('claimline_shed_total{why="lane_wait"}')) > 0;
    await awaitUntil('claims to be turned away', turnedAway, soonMs).finally(() => {
      isOver = true;
    });
    await Promise.all(people);
    stack.ways!.apis[0]!.redis!.delayMs = 0;
    await awaitUntil(
      'claims to be let in again',
      async () => (await client.join('besieged', 'afterwards')).status === 202,
      soonMs,
    );
    await awaitUntil(
      'the line to be empty',
      async () => (await client.get(`${couponPath('besieged')}/line`)).body.in_line === 0,
      soonMs,
    );
    expect((await client.coupon('besieged')).body.claimed_count).toBeGreaterThanOrEqual(accepted + 1);
  });
});
