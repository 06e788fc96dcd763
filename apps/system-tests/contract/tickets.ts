import { describe, expect, test } from 'vitest';
import { freshName, outcomes, people } from '../agree.ts';
import type { Answer } from '../answers.ts';
import { awaitUntil } from '../await-until.ts';
import type { ThisStack } from '../engines.ts';
import { readEvents } from '../event-stream.ts';
import { expectProblem } from '../problem.ts';

const shortestTicket = 20;

/** Reading a ticket: while queued, decided, by long poll, by stream; and the tickets that are none. */
export function tickets(stack: ThisStack): void {
  describe('tickets', () => {
    test('a queued ticket tells its place and an honest estimate', async () => {
      const client = stack().client();
      const name = freshName('queued');
      await client.create(name, 9);
      const held = await stack().whileWorkersStand(async () => {
        const accepted: string[] = [];
        for (const user of people(4)) accepted.push((await client.join(name, user)).body.ticket!);
        const seen: Answer[] = [];
        for (const ticket of accepted) seen.push(await client.ticket(ticket));
        for (const { status, body, headers } of seen) {
          expect(status).toBe(200);
          expect(body).toMatchObject({ status: 'queued', coupon_name: name });
          expect(body.position).toBeGreaterThanOrEqual(1);
          expect(body.ahead).toBe(body.position! - 1);
          expect(body.eta!.known).toBeTypeOf('boolean');
          if (body.eta!.known) expect(body.eta!.seconds).toBeGreaterThanOrEqual(0);
          else expect(body.eta!.seconds ?? null).toBeNull();
          expect(Number(headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
          expect(Number(headers.get('retry-after'))).toBeLessThanOrEqual(30);
          expect(body.claim ?? null).toBeNull();
          expect(body.decided_at ?? null).toBeNull();
        }
        const places = seen.map(answer => answer.body.position!);
        expect(places).toEqual([...places].sort((a, b) => a - b));
        expect((await client.get(`/api/coupons/${encodeURIComponent(name)}/line`)).body.in_line).toBe(4);
        return accepted;
      });
      const told = [...(await outcomes(client, held)).values()];
      expect(told.map(answer => answer.body.claim!.sequence)).toEqual([1, 2, 3, 4]);
      for (const { body, headers } of told) {
        expect(body.position ?? null).toBeNull();
        expect(headers.get('retry-after')).toBeNull();
        expect(Date.parse(String(body.decided_at))).toBeGreaterThanOrEqual(
          Date.parse(String(body.created_at)),
        );
      }
    });

    test('an ETag that still holds is answered 304', async () => {
      const client = stack().client();
      const name = freshName('etag');
      await client.create(name, 1);
      const queued = await stack().whileWorkersStand(async () => {
        const { ticket } = (await client.join(name, 'ann')).body;
        return client.ticket(ticket!);
      });
      const ticket = queued.body.ticket!;
      expect(queued.headers.get('etag')).toBeTruthy();
      const decided = (await outcomes(client, [ticket])).get(ticket)!;
      const path = `/api/tickets/${ticket}`;
      const same = await client.get(path, { 'if-none-match': decided.headers.get('etag')! });
      expect([same.status, same.text]).toEqual([304, '']);
      const changed = await client.get(path, { 'if-none-match': queued.headers.get('etag')! });
      expect([changed.status, changed.body.status]).toEqual([200, 'granted']);
    });

    test('a long poll answers at the outcome, and gives up at its limit', async () => {
      const client = stack().client();
      const name = freshName('long poll');
      await client.create(name, 1);
      const [ticket, poll] = await stack().whileWorkersStand(async () => {
        const accepted = (await client.join(name, 'ann')).body.ticket!;
        const early = await client.ticket(accepted, 1);
        expect([early.status, early.body.status]).toEqual([200, 'queued']);
        expect(early.tookMs).toBeGreaterThan(900);
        return [accepted, [client.ticket(accepted, 20)]] as const;
      });
      const waited = await poll[0]!;
      expect(waited.body).toMatchObject({ ticket, status: 'granted' });
      expect(waited.tookMs).toBeLessThan(15_000);
      const known = await client.ticket(ticket, 20);
      expect(known.body.status).toBe('granted');
      expect(known.tookMs).toBeLessThan(5_000);
    });

    test('a stream tells the ticket now and at its outcome, then closes', async () => {
      const client = stack().client();
      const name = freshName('stream');
      await client.create(name, 1);
      const stream = await stack().whileWorkersStand(async () => {
        const { ticket } = (await client.join(name, 'ann')).body;
        const opened = await readEvents(`${stack().api}/api/tickets/${ticket}/events`);
        await awaitUntil('the first event', () => opened.events.length > 0);
        return opened;
      });
      expect(stream.status).toBe(200);
      expect(stream.headers.get('content-type')).toMatch(/^text\/event-stream/);
      const events = await stream.closed;
      expect(new Set(events.map(({ event }) => event))).toEqual(new Set(['ticket']));
      expect(events[0]!.data.status).toBe('queued');
      expect(events.at(-1)!.data).toMatchObject({
        status: 'granted',
        user_id: 'ann',
        claim: { sequence: 1 },
      });
      expect(events.filter(({ data }) => data.status === 'granted').length).toBe(1);

      const after = await readEvents(`${stack().api}/api/tickets/${events[0]!.data.ticket}/events`);
      expect((await after.closed).map(({ data }) => data.status)).toEqual(['granted']);
      expect((await readEvents(`${stack().api}/api/tickets/none/events`)).status).toBe(404);
    });

    test('a ticket cannot be guessed: garbage, and each neighbour of a real one', async () => {
      const client = stack().client();
      const name = freshName('guess');
      await client.create(name, 1);
      const ticket = (await client.join(name, 'ann', { prefer: 'wait=10' })).body.ticket!;
      expect(ticket.length).toBeGreaterThanOrEqual(shortestTicket);
      const garbage = [
        'none',
        '0',
        "' or 1=1 --",
        '%',
        '../coupons',
        '🎟️',
        'a\u0000b',
        'x'.repeat(4_000),
        ticket.slice(0, -1),
      ];
      garbage.push(`${ticket}x`, ticket.toUpperCase(), ticket.toLowerCase());
      for (const guess of [...garbage, ...neighbours(ticket)].filter(guess => guess !== ticket)) {
        expectProblem(await client.ticket(guess), 404, { code: 'ticket_not_found' });
      }
      expect((await client.ticket(ticket)).status).toBe(200);
    });
  });
}

/** The ticket with one character changed, at every place; twice at the last, whose low bits may mean nothing. */
function neighbours(ticket: string): string[] {
  const other = (letter: string, step: number) => {
    const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    return letters[(letters.indexOf(letter) + step) % letters.length]!;
  };
  const changed = [...ticket].map(
    (letter, at) => ticket.slice(0, at) + other(letter, 1) + ticket.slice(at + 1),
  );
  const lastSteps = [-1, 2, 3, 4, 16].map(step => ticket.slice(0, -1) + other(ticket.at(-1)!, step + 64));
  return [...changed, ...lastSteps];
}
