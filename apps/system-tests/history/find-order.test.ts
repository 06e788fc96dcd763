import { describe, expect, test } from 'vitest';
import { type Asked, couponModel, type Operation } from './coupon-model.ts';
import { findOrder } from './find-order.ts';

const at = (calledAt: number, returnedAt: number, asked: Asked): Operation => ({
  calledAt,
  returnedAt,
  ...asked,
});
const never = Number.POSITIVE_INFINITY;
type Claim = Asked & { kind: 'claim' };
const claim = (user: string, told?: Claim['told'], ticket?: string): Claim => ({
  kind: 'claim',
  user,
  form: 'simple',
  ...(told && { told }),
  ...(ticket && { ticket }),
});
const waiting = (user: string, told: Claim['told'], ticket?: string): Claim => ({
  ...claim(user, told, ticket),
  form: 'waiting',
});
const change = (amount: number): Asked => ({ kind: 'amount', amount, told: 'changed' });
const turn = (status: 'active' | 'paused' | 'ended'): Asked => ({ kind: 'status', status, told: 'changed' });
const read = (amount: number, claimedBy: string[], status: 'active' | 'paused' = 'active'): Asked => ({
  kind: 'read',
  told: { amount, remaining: amount - claimedBy.length, status, claimedBy },
});
const isExplained = (amount: number, history: Operation[]) =>
  findOrder(couponModel(amount), history).isComplete;

describe('a history that cannot be is found out:', () => {
  test.each<[string, number, Operation[]]>([
    [
      'a person is granted two',
      5,
      [at(0, 1, claim('a', 'granted', 't1')), at(2, 3, claim('a', 'granted', 't2'))],
    ],
    ['and two at once', 5, [at(0, 9, claim('a', 'granted', 't1')), at(0, 9, waiting('a', 'granted', 't2'))]],
    [
      'more are granted than there are',
      2,
      ['a', 'b', 'c'].map(user => at(0, 9, claim(user, 'granted', user))),
    ],
    [
      'a restock is lost',
      1,
      [
        at(0, 1, claim('a', 'granted', 't1')),
        at(2, 3, change(2)),
        at(4, 9, claim('b', 'sold_out')),
        at(4, 9, claim('c', 'sold_out')),
      ],
    ],
    [
      'and forgotten after it was seen',
      1,
      [at(0, 1, change(3)), at(2, 3, read(3, [])), at(4, 5, read(1, []))],
    ],
    [
      'sold out is said after a restock was acknowledged, though a claim came before',
      1,
      [at(0, 3, claim('a', 'granted', 't1')), at(1, 4, change(2)), at(5, 6, claim('b', 'sold_out'))],
    ],
    [
      'sold out is said too soon',
      2,
      [at(0, 1, claim('a', 'granted', 't1')), at(2, 3, claim('b', 'sold_out'))],
    ],
    ['somebody is granted in a pause', 2, [at(0, 1, turn('paused')), at(2, 3, claim('a', 'granted', 't1'))]],
    [
      'a pause lasts after it was ended',
      2,
      [at(0, 1, turn('paused')), at(2, 3, turn('active')), at(4, 5, claim('a', 'paused'))],
    ],
    ['a grant is not seen', 2, [at(0, 1, claim('a', 'granted', 't1')), at(2, 3, read(2, []))]],
    [
      'and gone later',
      2,
      [at(0, 9, claim('a', 'granted', 't1')), at(1, 2, read(2, ['a'])), at(3, 4, read(2, []))],
    ],
    [
      'the order of grants is another than that of time',
      2,
      [
        at(0, 1, claim('a', 'granted', 't1')),
        at(2, 3, claim('b', 'granted', 't2')),
        at(4, 5, read(2, ['b', 'a'])),
      ],
    ],
    ['nobody has it whom it is refused to', 2, [at(0, 1, claim('a', 'already_claimed', 't1'))]],
    [
      'another ticket than the held one is named',
      2,
      [at(0, 1, claim('a', 'granted', 't1')), at(2, 3, claim('a', 'already_claimed', 't2'))],
    ],
    [
      'the amount goes below what is granted',
      3,
      [at(0, 1, claim('a', 'granted', 't1')), at(0, 1, claim('b', 'granted', 't2')), at(2, 3, change(1))],
    ],
    ['or may not though it could', 3, [at(0, 1, { kind: 'amount', amount: 1, told: 'below_granted' })]],
    ['a claim takes effect before it was made', 1, [at(0, 1, read(1, ['a'])), at(2, never, claim('a'))]],
  ])('%s', (_, amount, history) => {
    expect(isExplained(amount, history)).toBe(false);
  });
});

describe('a history that can be is explained:', () => {
  test.each<[string, number, Operation[]]>([
    ['nothing', 1, []],
    [
      'sold out while a restock is under way',
      1,
      [
        at(0, 1, claim('a', 'granted', 't1')),
        at(2, 9, change(2)),
        at(3, 4, claim('b', 'sold_out')),
        at(5, 6, claim('c', 'granted', 't2')),
      ],
    ],
    [
      'two claims of a person in line share a ticket',
      1,
      [
        at(0, 9, claim('a', 'granted', 't1')),
        at(1, 9, waiting('a', 'granted', 't1')),
        at(1, 9, claim('a', 'already_claimed', 't1')),
      ],
    ],
    [
      'an unanswered claim was granted much later',
      1,
      [
        at(0, never, claim('a')),
        at(1, 2, read(1, [])),
        at(3, 4, claim('b', 'sold_out')),
        at(5, 6, read(1, ['a'])),
      ],
    ],
    ['or never', 1, [at(0, never, claim('a')), at(1, 2, claim('b', 'granted', 't1'))]],
    [
      'an unanswered restock came in time',
      1,
      [
        at(0, never, { kind: 'amount', amount: 2 }),
        at(1, 2, claim('a', 'granted', 't1')),
        at(3, 4, claim('b', 'granted', 't2')),
      ],
    ],
    [
      'granted before the pause, read after it',
      1,
      [at(0, 9, turn('paused')), at(1, 2, claim('a', 'granted', 't1')), at(3, 4, read(1, ['a'], 'paused'))],
    ],
  ])('%s', (_, amount, history) => {
    expect(isExplained(amount, history)).toBe(true);
  });
});

test('a search that fails is over soon, and shows how far it came', () => {
  const users = Array.from({ length: 12 }, (_, index) => `u${index}`);
  const crowd = users.map(user => at(0, 9, claim(user, user < 'u4' ? 'granted' : 'sold_out', user)));
  const history = [...crowd, at(10, 11, read(5, users.slice(0, 4)))];
  const { isComplete, order } = findOrder(couponModel(5), history);
  expect(isComplete).toBe(false);
  expect(order.length).toBeGreaterThan(3);
});
