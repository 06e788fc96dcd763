import { expect, test } from 'vitest';
import { createTrain } from './train.ts';

test('items that arrive together travel together, in order, and get their own answer', async () => {
  const trips: number[][] = [];
  const train = createTrain<number, string>({
    seats: 3,
    depart: async items => {
      trips.push(items);
      return items.map(item => `#${item}`);
    },
  });
  const answers = await Promise.all([1, 2, 3, 4, 5].map(item => train.board(item)));
  expect(answers).toEqual(['#1', '#2', '#3', '#4', '#5']);
  expect(trips).toEqual([
    [1, 2, 3],
    [4, 5],
  ]);
});

test('no train is heavier than it may be, unless a single item is', async () => {
  const trips: number[][] = [];
  const train = createTrain<number, number>({
    seats: 4,
    load: { weigh: item => item, most: 10 },
    depart: async items => {
      trips.push(items);
      return items;
    },
  });
  const items = [5, 5, 1, 30, 4, 4, 1, 1, 1];
  expect(await Promise.all(items.map(item => train.board(item)))).toEqual(items);
  expect(trips).toEqual([[5, 5], [1], [30], [4, 4, 1, 1], [1]]);
});

test('one trip is under way at a time, and those who arrive meanwhile board the next', async () => {
  let release = () => {};
  const trips: number[][] = [];
  const train = createTrain<number, number>({
    seats: 100,
    depart: async items => {
      trips.push(items);
      if (trips.length === 1) await new Promise<void>(resolve => (release = resolve));
      return items;
    },
  });
  const first = train.board(1);
  await new Promise(resolve => setImmediate(resolve));
  await new Promise(resolve => setImmediate(resolve));
  const later = [train.board(2), train.board(3)];
  expect(trips).toEqual([[1]]);
  release();
  await Promise.all([first, ...later]);
  expect(trips).toEqual([[1], [2, 3]]);
});

test('a trip that fails fails its own passengers only', async () => {
  const train = createTrain<number, number>({
    seats: 1,
    depart: async ([item]) => {
      if (item === 1) throw new Error('derailed');
      return [item as number];
    },
  });
  const results = await Promise.allSettled([train.board(1), train.board(2)]);
  expect(results.map(result => result.status)).toEqual(['rejected', 'fulfilled']);
});
