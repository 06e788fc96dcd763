import { expect, test } from 'vitest';
import type { Gate } from './gate.ts';
import { gateLineSuite } from './gate-line.testsuite.ts';
import { gateLoadSuite } from './gate-load.testsuite.ts';
import { gateReasonsSuite } from './gate-reasons.testsuite.ts';
import { gateSettledSuite } from './gate-settled.testsuite.ts';
import { granted, settledNews } from './testing.ts';
import { awkwardUsers, openDoor } from './testing-gate.ts';

/** What every gate must do. */
export function gateSuite(gate: () => Gate): void {
  const door = openDoor(gate);
  const { opened, openedWithLine, admit } = door;

  gateLoadSuite(door);
  gateReasonsSuite(door);
  gateLineSuite(door);
  gateSettledSuite(door);

  test('people are told apart by every byte of their ids', async () => {
    const coupon = await opened({ perUserLimit: 1 });
    const { verdicts, tickets } = await admit(coupon, awkwardUsers);
    expect(verdicts.map(verdict => verdict.kind)).toEqual(awkwardUsers.map(() => 'admitted'));
    for (const [i, userId] of awkwardUsers.entries())
      expect(await gate().find(coupon.id, tickets[i] as string)).toMatchObject({ userId, line: i + 1 });
    expect((await admit(coupon, awkwardUsers)).verdicts).toEqual(
      tickets.map((ticket, i) => ({ kind: 'joined', ticket, line: i + 1 })),
    );
    const news = tickets.map((ticket, i) => [ticket, granted(awkwardUsers[i] as string)] as const);
    await gate().settled(settledNews(coupon, {}, news));
    expect(await gate().readLine(coupon.id)).toMatchObject({ inLine: 0, done: awkwardUsers.length });
    expect((await admit(coupon, awkwardUsers)).verdicts).toEqual(
      tickets.map(ticket => ({ kind: 'refused', reason: 'already_claimed', heldTicket: ticket })),
    );
    // The same through a load, and read by age.
    const holders = awkwardUsers.slice(0, 6);
    const waiters = awkwardUsers.slice(6);
    const held = holders.map((userId, i) => ({ userId, count: 1, ticket: `t${i}` }));
    const { coupon: other } = await openedWithLine(waiters, {}, held);
    expect((await admit(other, awkwardUsers)).verdicts.map(verdict => verdict.kind)).toEqual([
      ...holders.map(() => 'refused'),
      ...waiters.map(() => 'joined'),
    ]);
    const places = await gate().places(other.id, { olderThanMs: 0, most: 100 });
    expect(places.map(place => place.userId).sort()).toEqual([...waiters].sort());
    await gate().giveBack(other.id, places);
    expect((await admit(other, waiters)).verdicts.map(verdict => verdict.kind)).toEqual(
      waiters.map(() => 'admitted'),
    );
  });
}
