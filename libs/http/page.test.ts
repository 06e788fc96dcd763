import { AppError } from '@claimline/kernel/error';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { decodeCursor, encodeCursor, page, pageQuery } from './page.ts';

const readQuery = (query: Record<string, string>) => z.object(pageQuery).safeParse(query);

describe('a cursor', () => {
  test.each(['a', '', 'ünïcode/%2F', '"quoted"', '12', 'x'.repeat(255), '🎟️'])(
    'brings back the text %j',
    text => {
      expect(decodeCursor(encodeCursor(text), 'string')).toBe(text);
      expect(encodeCursor(text)).toMatch(/^[\w-]*$/);
    },
  );

  test.each([0, 1, -1, Number.MAX_SAFE_INTEGER])('brings back the number %d', number => {
    expect(decodeCursor(encodeCursor(number), 'number')).toBe(number);
  });

  test('none is the beginning', () => {
    expect(decodeCursor(undefined, 'string')).toBeNull();
  });

  const encoded = (text: string) => Buffer.from(text).toString('base64url');
  test.each([
    ['rubbish', 'x'],
    ['nothing', ''],
    ['of a list of texts', encodeCursor('a')],
    ['a fraction', encoded('1.5')],
    ['beyond what is exact', encoded('9007199254740993')],
    ['an object', encoded('{"a":1}')],
    ['null', encoded('null')],
    ['true', encoded('true')],
  ])('that is %s is no cursor of numbers', (_, cursor) => {
    expect(() => decodeCursor(cursor, 'number')).toThrow(AppError);
  });

  test.each([
    ['of a list of numbers', encodeCursor(5)],
    ['with what Postgres cannot store', encodeCursor('a\0b')],
    ['of an array', encoded('["a"]')],
    ['cut off', encodeCursor('abcdef').slice(0, -3)],
  ])('%s is no cursor of texts', (_, cursor) => {
    expect(() => decodeCursor(cursor, 'string')).toThrow(AppError);
  });
});

describe('limit', () => {
  test.each(['1', '1000', '0100'])('%s', limit => {
    expect(readQuery({ limit }).data?.limit).toBe(Number(limit));
  });
  test.each(['0', '1001', '-1', '1.5', '', ' 1', '1e2', 'x', '99999'])('%j is refused', limit => {
    expect(readQuery({ limit }).error?.issues[0]?.message).toBe('must be a whole number from 1 to 1000');
  });
  test('is 100 when nobody asks', () => expect(readQuery({}).data?.limit).toBe(100));
});

describe('a page', () => {
  const rows = [1, 2, 3];
  const read = (limit: number, some = rows) =>
    page(
      some,
      limit,
      row => row,
      row => `#${row}`,
    );

  test('has a cursor to the next only when a row is left', () => {
    expect(read(2)).toEqual({ data: ['#1', '#2'], next_cursor: encodeCursor(2) });
    expect(read(3)).toEqual({ data: ['#1', '#2', '#3'], next_cursor: null });
    expect(read(3, [])).toEqual({ data: [], next_cursor: null });
  });
});
