import { expect, it } from 'vitest';
import { createTally } from './tally.ts';

const answer = (status: number) => ({ status, bodyOffset: 0, length: 0, closes: false });
const nothing = Buffer.alloc(0);

it('accepts one each and no more, and nobody without one unless answers were lost', () => {
  const tally = createTally(200);
  for (const person of [0, 1])
    for (const status of [409, 200, 409]) tally.count(answer(status), nothing, person);
  expect(() => tally.assertOnceEach(0)).not.toThrow();

  tally.count(answer(409), nothing, 2);
  expect(() => tally.assertOnceEach(1)).not.toThrow();
  expect(() => tally.assertOnceEach(0)).toThrow('1 of 3 people never got 200');

  tally.count(answer(200), nothing, 0);
  expect(() => tally.assertOnceEach(1)).toThrow('1 of 3 people got 200 more than once');
});
