import { setTimeout as delay } from 'node:timers/promises';
import type { Answer } from '../answers.ts';
import { type ClaimClient, couponPath, createRequest } from '../claim-client.ts';
import type { Arena } from './arena.ts';
import { complaintAbout } from './check-answers.ts';
import type { Person, Told } from './person.ts';
import type { Record } from './record.ts';

/** While a store is away a look takes up to 2 s: eight of them left 1,800 of 23,000 people unseen for a minute. */
const pollers = 32;
const lookEveryMs = 250;
const idleMs = 40;
const againMs = 250;
const lostMost = 20;

/** People on their way from a claim to what becomes of it, as clients would go it. */
export interface Line {
  /** Claims for a person until the claim is accepted or refused; an acceptance goes into the line. */
  claim(person: Person): Promise<void>;
  /** Claims that are not answered yet. */
  readonly asking: number;
  /** People whose ticket is undecided. */
  waiting(): Person[];
  readonly accepted: number;
  close(): Promise<void>;
}

/**
 * Opens a line: who is told 503 or 429 comes again, who has a ticket looks at it from time to time, whose
 * place was lost claims again.
 */
export function openLine(arena: Arena, record: Record): Line {
  const request = createRequest(arena.stack.apis);
  const line: Person[] = [];
  const looking = new Set<Person>();
  let asking = 0;
  let accepted = 0;
  let isClosed = false;

  const ask: (...args: Parameters<ClaimClient['request']>) => Promise<Answer | undefined> = (...args) =>
    request(...args).catch(() => undefined);

  function wrong(person: Person, what: string): Told {
    arena.finding(`${person.user} of "${person.sale.name}" ${what}: ${record.of(person.user)}`);
    return { status: 'wrong' };
  }

  function getInLine(person: Person, ticket: string): void {
    person.ticket = ticket;
    line.push(person);
  }

  /** What an answer to a claim means for the person; undefined: come again. */
  function takeAnswer(person: Person, answer: Answer): 'in line' | Told | undefined {
    const { status, body, text } = answer;
    if (status === 202 || (status === 409 && body.code === 'already_claimed')) {
      if (!body.ticket) return status === 202 ? wrong(person, 'got no ticket') : { status: 'holds' };
      if (status === 202) accepted += 1;
      getInLine(person, body.ticket);
      return 'in line';
    }
    if (status === 409) return { status: 'turned away', reason: body.code ?? '', atMs: Date.now() };
    const complaint = complaintAbout(answer);
    if (complaint !== undefined) return wrong(person, complaint);
    return status === 503 || status === 429 ? undefined : wrong(person, `was answered ${status} ${text}`);
  }

  async function claim(person: Person): Promise<void> {
    asking += 1;
    for (let tries = 1; !isClosed; tries++) {
      const sentMs = performance.now();
      const answer = await ask('POST', `${couponPath(person.sale.name)}/claims`, {
        json: { user_id: person.user },
      });
      record.add(person.user, 'claim', answer);
      const taken = answer && takeAnswer(person, answer);
      if (taken === undefined) {
        await delay(againMs);
        continue;
      }
      if (taken !== 'in line') person.told = taken;
      const isOwn = answer?.status === 202 && answer.body.deduplicated !== true;
      if (isOwn && tries === 1 && answer.resets === 0)
        person.place = { sentMs, acceptedMs: performance.now() };
      break;
    }
    asking -= 1;
  }

  /** What a ticket says; undefined: undecided. */
  function readTicket(person: Person, answer: Answer): Told | 'lost' | undefined {
    const { status, body, text } = answer;
    const ticket = person.ticket!;
    if (status === 410) return 'lost';
    const complaint = complaintAbout(answer);
    if (complaint !== undefined) return wrong(person, complaint);
    if (status === 503 || status === 429) return undefined;
    if (status !== 200) return wrong(person, `has a ticket that reads ${status} ${text}`);
    const said = { ticket, user: body.user_id as string | undefined, text };
    if (body.status === 'granted')
      return { status: 'granted', ...said, sequence: body.claim?.sequence, code: body.claim?.code ?? null };
    if (body.status === 'refused') return { status: 'refused', ...said, reason: String(body.reason) };
    return body.status === 'queued' ? undefined : wrong(person, `has a ticket that says ${text}`);
  }

  async function look(person: Person): Promise<void> {
    await delay(Math.max(0, person.askedMs + lookEveryMs - performance.now()));
    person.askedMs = performance.now();
    const answer = await ask('GET', `/api/tickets/${person.ticket}`);
    record.add(person.user, 'ticket', answer);
    const read = answer && readTicket(person, answer);
    if (read === undefined) line.push(person);
    else if (read !== 'lost') person.told = read;
    else {
      person.lost += 1;
      arena.row.lostPlaces += 1;
      if (person.lost > lostMost) person.told = wrong(person, 'loses every place');
      else void claim(person);
    }
  }

  async function poll(): Promise<void> {
    while (!isClosed) {
      const person = line.shift();
      if (!person) await delay(idleMs);
      else {
        looking.add(person);
        await look(person);
        looking.delete(person);
      }
    }
  }

  const polling = Promise.all(Array.from({ length: pollers }, poll));
  return {
    claim,
    get asking() {
      return asking;
    },
    waiting: () => [...line, ...looking],
    get accepted() {
      return accepted;
    },
    async close() {
      isClosed = true;
      await polling;
    },
  };
}
