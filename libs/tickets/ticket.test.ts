import { randomBytes, randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { createTickets, jobIdOf } from './ticket.ts';

/** User ids that must not break a job's id. */
const awkwardUsers = [
  'two words',
  'line\nbreak\r\ttab',
  '12345',
  '0',
  'a:b',
  '%s {brace}',
  'ünïcødé ☂ 🎟',
  '🎟'.repeat(255),
];

const key = randomBytes(32);
const tickets = createTickets(key);
const issue = (subjectId: string, atMs: number) => tickets.issue(subjectId, atMs, 1)[0] as string;
const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

describe('a ticket', () => {
  test('says what it is for and when it was issued, to every process with the key', () => {
    const subjectId = randomUUID();
    const createdAtMs = Date.now();
    const ticket = issue(subjectId, createdAtMs);
    expect(ticket).toMatch(/^tkt_[\w-]{52}$/);
    expect(tickets.read(ticket)).toEqual({ subjectId, createdAtMs });
    expect(createTickets(Buffer.from(key)).read(ticket)).toEqual({ subjectId, createdAtMs });
  });

  test.each([0, 1, 2 ** 48 - 1])('carries the time %i', createdAtMs => {
    const subjectId = 'ffffffff-0000-ffff-0000-ffffffffffff';
    expect(tickets.read(issue(subjectId, createdAtMs))).toEqual({ subjectId, createdAtMs });
  });

  test('is not genuine with any one character changed', () => {
    const ticket = issue(randomUUID(), Date.now());
    for (let at = 0; at < ticket.length; at++)
      for (const character of alphabet) {
        if (character === ticket[at]) continue;
        const changed = ticket.slice(0, at) + character + ticket.slice(at + 1);
        expect([changed, tickets.read(changed)]).toEqual([changed, null]);
      }
  });

  test('is not genuine cut short, made longer, or dressed up', () => {
    const ticket = issue(randomUUID(), Date.now());
    for (let length = 0; length < ticket.length; length++)
      expect(tickets.read(ticket.slice(0, length))).toBeNull();
    const others = [
      `${ticket}A`,
      `${ticket}=`,
      `${ticket}\n`,
      ` ${ticket}`,
      ticket.slice(4),
      `TKT_${ticket.slice(4)}`,
    ];
    for (const other of others) expect([other, tickets.read(other)]).toEqual([other, null]);
  });

  test('names the subject of its own train, whichever train went before', () => {
    const subjectIds = [randomUUID(), randomUUID(), randomUUID()];
    const issued = [0, 1, 0, 2, 1].map(i => [subjectIds[i], issue(subjectIds[i] as string, i)] as const);
    for (const [subjectId, ticket] of issued) expect(tickets.read(ticket)?.subjectId).toBe(subjectId);
  });

  test('is not genuine under another key', () => {
    const ticket = createTickets(randomBytes(32)).issue(randomUUID(), Date.now(), 1)[0] as string;
    expect(tickets.read(ticket)).toBeNull();
  });

  test('is never issued twice, however many are issued for one subject in one moment', () => {
    const subjectId = randomUUID();
    const nowMs = Date.now();
    // A full train is issued at once.
    const many = [...tickets.issue(subjectId, nowMs, 500), ...tickets.issue(subjectId, nowMs, 500)];
    for (const ticket of many) expect(tickets.read(ticket)).toEqual({ subjectId, createdAtMs: nowMs });
    expect(new Set(many).size).toBe(many.length);
  });
});

describe("a job's id", () => {
  test.each(awkwardUsers)('is one that BullMQ takes, for %j', userId => {
    const id = jobIdOf(userId, issue(randomUUID(), Date.now()));
    expect(id).toMatch(/^[\w.!~*'()%-]+$/); // Printable, without a colon.
    expect(id).toMatch(/\D/);
    expect(id.length).toBeLessThanOrEqual(64 + 1 + 27);
  });

  test('differs from attempt to attempt, and between people whose ids begin alike', () => {
    const subjectId = randomUUID();
    const ids = ['ada', 'ada', `${'x'.repeat(64)}1`, `${'x'.repeat(64)}2`].map(userId =>
      jobIdOf(userId, issue(subjectId, 1)),
    );
    expect(new Set(ids).size).toBe(ids.length);
    const ticket = issue(subjectId, 1);
    expect(jobIdOf('ada', ticket)).toBe(jobIdOf('ada', ticket));
  });
});
