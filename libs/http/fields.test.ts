import { AppError } from '@claimline/kernel/error';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { isStorable, metadata, parseFields, requiredInteger, requiredText, time } from './fields.ts';

/** What a caller is told of a value: the sentence, and the fields. */
function refusalOf(schema: z.ZodType, value: unknown) {
  try {
    parseFields(schema, value);
  } catch (error) {
    if (error instanceof AppError) return error.problem;
    throw error;
  }
  return undefined;
}
const inField = (schema: z.ZodType) => z.strictObject({ field: schema });
const said = (schema: z.ZodType, value: unknown) => refusalOf(inField(schema), { field: value })?.message;

describe('a text', () => {
  test.each([
    ['255 letters', 'x'.repeat(255)],
    ['255 characters of four bytes', '🎟'.repeat(255)],
    ['255 characters of three bytes', '券'.repeat(255)],
    ['padding', ' a '],
    ['control characters', 'a\u0001\n'],
    ['one letter', 'a'],
  ])('of %s is kept as it is', (_, text) => {
    expect(parseFields(inField(requiredText()), { field: text })).toEqual({ field: text });
  });

  test.each([
    ['nothing', undefined, 'invalid request: field is required'],
    ['null', null, 'invalid request: field is required'],
    ['the empty text', '', 'invalid request: field is required'],
    ['blanks', ' \t\n\u00a0\u3000', 'invalid request: field cannot be whitespace only'],
    ['256 letters', 'x'.repeat(256), 'invalid request: field exceeds maximum length of 255'],
    ['256 characters of four bytes', '🎟'.repeat(256), 'invalid request: field exceeds maximum length of 255'],
    ['NUL', 'a\0b', 'invalid request: field contains a character that cannot be stored'],
    ['half a character', 'a\ud83d', 'invalid request: field contains a character that cannot be stored'],
    ['a number', 5, 'invalid request body'],
    ['a list', ['a'], 'invalid request body'],
    ['an object', {}, 'invalid request body'],
  ])('of %s is refused', (_, value, message) => {
    expect(said(requiredText(), value)).toBe(message);
  });
});

describe('a number', () => {
  test.each([
    [undefined, 'invalid request: field is required'],
    [0, 'invalid request: field must be at least 1'],
    [11, 'invalid request: field must be at most 10'],
    [1.5, 'invalid request body'],
    ['5', 'invalid request body'],
    [true, 'invalid request body'],
    [10, undefined],
    [1.0, undefined],
  ])('%j', (value, message) => {
    expect(said(requiredInteger(1, 10), value)).toBe(message);
  });

  test('reaches to what Postgres can count', () => {
    expect(said(requiredInteger(1), 2_147_483_647)).toBeUndefined();
    expect(said(requiredInteger(1), 2_147_483_648)).toContain('at most 2147483647');
  });
});

test.each([
  ['2026-12-24T18:00:00Z', true],
  ['2026-12-24T18:00:00.123456+05:30', true],
  ['2026-12-24T18:00:00', false],
  ['2026-12-24', false],
  ['2026-02-30T00:00:00Z', false],
  ['tomorrow', false],
  ['0001-01-01T00:00:00Z', true],
  ['9999-12-31T23:59:59Z', true],
  ['0000-12-31T23:59:59Z', false],
  ['0001-01-01T00:00:00+14:00', false],
  ['9999-12-31T23:59:59-14:00', false],
  [1_700_000_000, false],
])('the time %j', (value, isTime) => {
  expect(said(time(), value) === undefined).toBe(isTime);
});

describe('metadata', () => {
  test.each([
    ['anything within', { a: [1, { b: null }], 'c d': 'é' }, true],
    ['4,096 characters', { a: 'x'.repeat(4096 - 8) }, true],
    ['one more', { a: 'x'.repeat(4096 - 7) }, false],
    ['a list', [], false],
    ['a text', 'x', false],
    ['NUL in a value', { a: '\0' }, false],
    ['NUL in a key', { 'a\0': 1 }, false],
    ['half a character', { a: '\ud800' }, false],
    ['100 levels', JSON.parse(`${'{"a":'.repeat(100)}1${'}'.repeat(100)}`), true],
  ])('%s', (_, value, isFine) => {
    expect(said(metadata(), value) === undefined).toBe(isFine);
  });
});

test('every wrong field is named, foreign ones too, however deep', () => {
  const schema = z.strictObject({
    name: requiredText(),
    inner: z.strictObject({ count: requiredInteger(1) }),
  });
  expect(refusalOf(schema, { name: '', inner: { count: 0, other: 1 }, extra: 1 })?.errors).toEqual([
    { path: 'name', message: 'is required' },
    { path: 'inner.count', message: 'must be at least 1' },
    { path: 'inner.other', message: 'is not a field of this request' },
    { path: 'extra', message: 'is not a field of this request' },
  ]);
});

test('a field that is missing is required, one that may be left out is not: null has the wrong type there', () => {
  const inner = z.strictObject({ currency: z.string(), most: requiredInteger(1).optional() });
  const schema = z.strictObject({
    inner: inner.nullish(),
    limit: requiredInteger(1).default(1),
    text: requiredText().optional(),
  });
  expect(refusalOf(schema, { inner: { most: null }, limit: null, text: null })?.errors).toEqual([
    { path: 'inner.currency', message: 'is required' },
    { path: 'inner.most', message: 'has the wrong type' },
    { path: 'limit', message: 'has the wrong type' },
    { path: 'text', message: 'has the wrong type' },
  ]);
  expect(refusalOf(schema, { inner: {} })?.message).toBe('invalid request: inner.currency is required');
  expect(refusalOf(schema, { inner: null })).toBeUndefined();
});

test.each([null, 5, 'x', [], true])('%j is no body', value => {
  expect(refusalOf(z.strictObject({}), value)?.message).toBe('invalid request body');
});

test.each([
  ['', true],
  ['🎟️', true],
  ['\ufeff', true],
  ['\0', false],
  ['\udc00', false],
])('%j can be stored: %s', (text, can) => {
  expect(isStorable(text)).toBe(can);
});
