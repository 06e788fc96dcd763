import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Answer } from '../answers.ts';
import { awaitUntil } from '../await-until.ts';
import { createRequest, openClient } from '../claim-client.ts';
import type { Arena } from './arena.ts';

/** An event's id is an UUID in short. */
const eventId = /^evt_(.{8})(.{4})(.{4})(.{4})(.{12})$/;
const seatCount = 300;
const wantedMost = 3;
const startsInMs = 86_400_000;
/** Every so manieth reservation is kept, the others are let go after a while: the seats do not run out. */
const keptEvery = 8;
const heldMostMs = 1_500;
const againMs = 250;
const decidedWithinMs = 60_000;

type Reserved = { ticket: string; id?: undefined } | { ticket?: undefined; id: string };

/** People who reserve crossing seats of one event while something is broken. */
export interface SeatCrowd {
  /** The event's lane. */
  lane: string;
  /**
   * The fault has healed: nobody comes any more, everybody hears of an outcome within 60 s or that the place was
   * lost, and whoever kept a reservation has all its seats, alone.
   */
  seeOut(): Promise<void>;
  /** Nobody comes or asks any more. */
  leave(): Promise<void>;
}

/** Makes an event with seats and lets people come. */
export async function openSeatCrowd(arena: Arena, perSecond: number): Promise<SeatCrowd> {
  const { stack, random, finding } = arena;
  const request = createRequest(stack.apis);
  const event = await makeEvent(arena);
  /** Who was told that a seat is theirs, and has not begun to let it go. */
  const holders = new Map<string, string>();
  const kept = new Map<string, string[]>();
  const lost = new Set<string>();
  const counts = { came: 0, granted: 0, refused: 0 };
  const undecided = new Set<string>();
  let isOver = false;
  let isClosed = false;

  /** Asks until there is an answer other than to come again; undefined when it is over. */
  async function ask(...args: Parameters<typeof request>): Promise<Answer | undefined> {
    while (!isClosed) {
      const answer = await request(...args).catch(() => undefined);
      if (answer && !isComeAgain(answer)) return answer;
      await delay(againMs);
    }
    return undefined;
  }

  function wrong(user: string, { method, path, status, text }: Answer): void {
    finding(`${user} was answered ${status} ${text} to ${method} ${path}`);
  }

  /** Reserves, and answers the ticket, or the reservation of a run whose answer was lost; undefined where that came to nothing. */
  async function reserve(user: string, numbers: readonly string[]): Promise<Reserved | undefined> {
    // With a key, so that nobody holds seats whose answer was lost.
    const answer = await ask('POST', `/api/events/${event}/reservations`, {
      json: { user_id: user, seats: numbers.map(number => ({ number })) },
      headers: { 'idempotency-key': randomUUID() },
    });
    if (answer?.status === 202) return { ticket: answer.body.ticket! };
    if (answer?.status === 201) return { id: String(answer.body.id) };
    if (answer?.status === 409 && answer.body.code === 'seat_taken') counts.refused += 1;
    else if (answer) wrong(user, answer);
    return undefined;
  }

  /** Looks at a ticket until it says what became of it; answers the reservation's id when there is one. */
  async function hear(user: string, ticket: string): Promise<string | 'lost' | undefined> {
    for (;;) {
      const answer = await ask('GET', `/api/tickets/${ticket}`);
      if (!answer) return undefined;
      const { status, body } = answer;
      if (status === 410) return 'lost';
      if (status !== 200) return void wrong(user, answer);
      if (body.status === 'granted') return (body.reservation as { id: string }).id;
      if (body.status === 'refused') counts.refused += 1;
      else if (body.status !== 'queued') wrong(user, answer);
      if (body.status !== 'queued') return undefined;
      await delay(againMs);
    }
  }

  function hold(user: string, numbers: readonly string[]): void {
    for (const number of numbers) {
      if (holders.has(number)) finding(`seat ${number} was given to ${user}, ${holders.get(number)} has it`);
      holders.set(number, user);
    }
  }

  async function letGo(user: string, id: string, numbers: readonly string[]): Promise<void> {
    await delay(random.between(0, heldMostMs));
    for (const number of numbers) holders.delete(number);
    const answer = await ask('DELETE', `/api/reservations/${id}`);
    if (answer && answer.status !== 200) wrong(user, answer);
  }

  async function visit(user: string, numbers: readonly string[]): Promise<void> {
    undecided.add(user);
    let id: string | 'lost' | undefined = 'lost';
    while (id === 'lost') {
      const { ticket, id: known } = (await reserve(user, numbers)) ?? {};
      id = ticket === undefined ? known : await hear(user, ticket);
      if (ticket !== undefined && id === 'lost') lost.add(ticket);
    }
    if (isClosed) return;
    undecided.delete(user);
    if (id === undefined) return;
    hold(user, numbers);
    counts.granted += 1;
    if (counts.granted % keptEvery === 0) kept.set(id, [...numbers]);
    else await letGo(user, id, numbers);
  }

  async function arrive(): Promise<void> {
    const visits: Promise<void>[] = [];
    while (!isOver) {
      counts.came += 1;
      const wanted = new Set<string>();
      for (let n = random.between(1, wantedMost); n > 0; n--) wanted.add(`${random.between(1, seatCount)}`);
      visits.push(visit(`visitor-${counts.came}`, [...wanted]));
      await delay(1000 / perSecond);
    }
    await Promise.all(visits);
  }

  const arriving = arrive();
  async function leave(): Promise<void> {
    isOver = true;
    isClosed = true;
    await arriving;
  }
  return {
    lane: `seats.${event.replace(eventId, '$1-$2-$3-$4-$5')}`,
    leave,
    async seeOut() {
      isOver = true;
      await awaitUntil('everybody to be told', () => undecided.size === 0, decidedWithinMs).catch(() =>
        finding(`${undecided.size} visitors undecided after ${decidedWithinMs / 1000} s`),
      );
      await Promise.race([arriving, delay(decidedWithinMs)]);
      await leave();
      const { came, granted, refused } = counts;
      arena.figure(`${came} people for seats: ${granted} held, ${refused} refused, ${lost.size} places lost`);
      await checkKept(arena, { event, kept, lost });
    },
  };
}

/** A store is away, or the first request with the same key may still be under way. */
function isComeAgain({ status, body }: Answer): boolean {
  return status === 503 || status === 429 || body.code === 'idempotency_key_in_use';
}

async function makeEvent({ stack }: Arena): Promise<string> {
  const client = openClient(stack.apis);
  const starts_at = new Date(Date.now() + startsInMs).toISOString();
  const { body, text } = await client.post('/api/events', { name: 'a concert', starts_at });
  const seats = Array.from({ length: seatCount }, (_, n) => ({
    number: `${n + 1}`,
    price: 1,
    currency: 'EUR',
  }));
  const { status } = await client.post(`/api/events/${body.id}/seats`, { seats });
  if (status !== 201) throw new Error(`an event could not be made: ${text}`);
  return String(body.id);
}

/**
 * The tables know of every seat that was kept, and of no other but those of a ticket that had no place any more, and
 * was settled all the same: a worker had it in hand when its queue was emptied.
 */
async function checkKept(
  { stack, finding }: Arena,
  { event, kept, lost }: { event: string; kept: ReadonlyMap<string, string[]>; lost: ReadonlySet<string> },
): Promise<void> {
  const rows = await stack.sql<{ number: string; holder: string; ticket: string }[]>`
    select number, 'rsv_' || replace(reservation_id::text, '-', '') as holder, ticket
    from seats join reservations on reservations.id = reservation_id
    where seats.event_id = ${event.replace('evt_', '')}::uuid and seats.status = 'held'`;
  const stored = new Map(rows.map(row => [row.number, row]));
  for (const [id, numbers] of kept)
    for (const number of numbers) {
      const holder = stored.get(number)?.holder;
      if (holder !== id) finding(`seat ${number} of ${id} is held by ${holder}`);
      stored.delete(number);
    }
  const unknown = [...stored.values()].filter(({ ticket }) => !lost.has(ticket));
  if (unknown.length > 0)
    finding(`${unknown.length} seats are held by nobody who knows, such as ${JSON.stringify(unknown[0])}`);
}
