import { expect, test } from 'vitest';
import { expectNoServerErrors, isFinal, people } from './agree.ts';
import { type Answer, byStatus } from './answers.ts';
import { awaitUntil } from './await-until.ts';
import type { ClaimClient } from './claim-client.ts';
import { onEachEngine, type ThisStack } from './engines.ts';
import { expectProblem } from './problem.ts';

onEachEngine({ apis: 2, workers: 2 }, (stack, engine) => {
  if (engine === 'redis') outages(stack);

  test('what one API did with seats the other one knows at once, without a worker', async () => {
    const [one, other] = stack().apis.map(api => stack().client([api])) as [ClaimClient, ClaimClient];
    const starts_at = new Date(Date.now() + 86_400_000).toISOString();
    const seats = [1, 2].map(number => ({ number, price: 1, currency: 'EUR' }));
    const wanted = { user_id: 'ann', seats: [{ number: '1' }] };
    for (let round = 0; round < 5; round++) {
      const { id } = (await one.post('/api/events', { name: 'both', starts_at })).body;
      await one.post(`/api/events/${id}/seats`, { seats });
      const ask = (client: ClaimClient) =>
        client.post(`/api/events/${id}/reservations`, wanted, { prefer: 'wait=30' });
      const held = await ask(other);
      expect(held.status).toBe(201);
      await stack().whileWorkersStand(async () => {
        for (const client of [one, other]) expect((await ask(client)).body.code).toBe('seat_taken');
      });
      await one.request('DELETE', `/api/reservations/${held.body.id}`);
      expect((await ask(other)).status).toBe(201);
      await other.request('PATCH', `/api/events/${id}`, { json: { status: 'canceled' } });
      expect((await ask(one)).body.code).toBe('not_on_sale');
    }
  }, 60_000);

  test('workers killed while they settle reservations: everybody gets an outcome, and nothing is split', async () => {
    const client = stack().client();
    const starts_at = new Date(Date.now() + 86_400_000).toISOString();
    const { id } = (await client.post('/api/events', { name: 'a concert', starts_at })).body;
    const seats = Array.from({ length: 300 }, (_, i) => ({ number: `${i}`, price: 1, currency: 'EUR' }));
    await client.post(`/api/events/${id}/seats`, { seats });
    const ask = (user_id: string, body: object) =>
      client.post(`/api/events/${id}/reservations`, { user_id, ...body }, { prefer: 'wait=30' });
    let killed = 0;
    const kill = setInterval(() => {
      if (++killed > 4) return clearInterval(kill);
      const [worker] = stack().living().workers;
      if (worker !== undefined)
        void stack()
          .killWorker(worker, 'SIGKILL')
          .then(() => stack().startWorker());
    }, 400);
    const answers = (
      await Promise.all(
        Array.from({ length: 10 }, async (_, wave) => {
          await new Promise(resolve => setTimeout(resolve, wave * 200));
          return Promise.all(
            people(40).map((person, i) =>
              ask(`${person} of ${wave}`, {
                seats: [i * 7 + wave, 297 - i * 3 - wave]
                  .map(n => ({ number: `${n}` }))
                  .slice(0, i % 7 ? 2 : 1),
              }),
            ),
          );
        }),
      )
    ).flat();
    clearInterval(kill);
    const left = await ask('last', { quantity: 1 });
    const statuses = new Set(Object.keys(byStatus([...answers, left])));
    expect([...statuses].sort()).toEqual(['201', '409']);
    const held = answers
      .filter(({ status }) => status === 201)
      .flatMap(({ body }) => body.seats as { number: string }[]);
    expect(new Set(held.map(({ number }) => number)).size).toBe(held.length);
    expectNoServerErrors(client.history);
    const { code, lines } = await stack().runCommand('verify');
    expect([code, lines.join('\n')]).toEqual([0, expect.any(String)]);
  }, 120_000);
});

/** What becomes of those in line when a store goes away; all of them are one API's, which knows them. */
function outages(stack: ThisStack): void {
  const openConcert = async (seats: number) => {
    const client = stack().client(stack().apis.slice(0, 1));
    const starts_at = new Date(Date.now() + 86_400_000).toISOString();
    const { id } = (await client.post('/api/events', { name: 'a concert', starts_at })).body;
    const numbers = Array.from({ length: seats }, (_, i) => ({
      number: `${i}`,
      price: 1,
      currency: 'EUR',
    }));
    await client.post(`/api/events/${id}/seats`, { seats: numbers });
    const ask = (user_id: string, body: object, headers = {}) =>
      client.post(`/api/events/${id}/reservations`, { user_id, ...body }, headers);
    return { client, id, ask };
  };

  test('Redis emptied, then Postgres away: whoever is in line hears an outcome or 410, and no seat is held twice', async () => {
    const { client, ask } = await openConcert(100);
    const wish = (i: number) =>
      i % 2 ? { quantity: 2 } : { seats: [{ number: `${i}` }, { number: `${i + 1}` }] };
    expect((await ask('first', { seats: [{ number: '99' }] }, { prefer: 'wait=30' })).status).toBe(201);
    const emptied = await stack().whileWorkersStand(async () => {
      const asked = await Promise.all(people(20).map((person, i) => ask(person, wish(i))));
      await stack().redis!.command('FLUSHALL');
      return asked;
    });
    await stack().postgres.kill();
    // Longer than a process is sure of its own memory of the line.
    const waited = await Promise.all(
      people(20).map((person, i) => ask(`${person} later`, wish(i), { prefer: 'wait=6' })),
    );
    expect([byStatus(emptied), byStatus(waited)]).toEqual([{ 202: 20 }, { 202: 20 }]);
    const seen = await client.ticket(waited[0]!.body.ticket as string);
    expect([seen.status, seen.body.status]).toEqual([200, 'queued']);
    await stack().postgres.restart();
    await awaitUntil('health', async () => (await client.get('/health')).status === 200, 30_000);
    await ask('last', { quantity: 1 });
    const decided = (asked: Answer[]) =>
      Promise.all(
        asked.map(({ body: { ticket } }) =>
          awaitUntil('an outcome', async () => {
            const answer = await client.ticket(ticket as string, 5);
            return (answer.status === 410 || isFinal(answer.body)) && answer;
          }),
        ),
      );
    const lost = (await decided(emptied)).filter(({ status }) => status === 410);
    expect(lost.length).toBeGreaterThan(0);
    expect(byStatus(await decided(waited))).toEqual({ 200: 20 });
    const { code, lines } = await stack().runCommand('verify');
    expect([code, lines.join('\n')]).toEqual([0, expect.any(String)]);
  }, 90_000);

  test('what was put in the queue after its people were told that it failed is taken back', async () => {
    const { ask } = await openConcert(2);
    const seat = (number: string) => ({ seats: [{ number }] });
    // Now the lane is known to be wanted, so what hangs is the adding of the job.
    expect((await ask('ann', seat('0'))).status).toBe(202);
    await stack().redis!.command('CLIENT PAUSE 2500 ALL');
    expectProblem(await ask('bob', seat('1')), 503, { code: 'unavailable' });
    await awaitUntil(
      'the seat to be free for others',
      async () => (await ask('cat', seat('1'), { prefer: 'wait=30' })).status === 201,
    );
  }, 60_000);
}
