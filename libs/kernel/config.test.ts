import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { ConfigError, onOff, parseSettings, wholeNumber } from './config.ts';

const shape = {
  PORT: wholeNumber({ min: 0, max: 10, fallback: 3 }),
  DATABASE_URL: z.string().optional(),
  BOARD_WRITABLE: onOff(false),
};
const read = (env: Record<string, string>, file?: Record<string, string>) => parseSettings(shape, env, file);
const linesOf = (env: Record<string, string>, file?: Record<string, string>) => {
  try {
    read(env, file);
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split('\n').slice(1);
    throw error;
  }
  return [];
};

test('defaults, then the file, then the environment', () => {
  expect(read({})).toEqual({ PORT: 3, BOARD_WRITABLE: false });
  expect(read({ PORT: '5' }, { PORT: '4', BOARD_WRITABLE: 'on' })).toEqual({ PORT: 5, BOARD_WRITABLE: true });
});

test('every mistake is named at once, a line each', () => {
  expect(linesOf({ PORT: '11', BOARD_WRITABLE: '1' }, { CLAIMLINE_Y: '' })).toEqual([
    '  CLAIMLINE_Y: no such setting',
    '  PORT: must be a whole number from 0 to 10',
    '  BOARD_WRITABLE: must be on or off',
  ]);
});

describe('a name one slip away from a setting', () => {
  test.each(['DATABSE_URL', 'DATABASEURL', 'DATABASE_URLS', 'DATABASE_ULR', 'DATEBASE_URL', 'ATABASE_URL'])(
    '%s',
    name => {
      expect(linesOf({ [name]: 'x' })).toEqual([`  ${name}: no such setting; did you mean DATABASE_URL?`]);
    },
  );

  test.each(['DATABASE', 'DATABASE_URL_RO', 'MY_DATABASE_URL', 'database_url', 'POST', 'PORTS'])(
    '%s is none: another program may mean it',
    name => {
      expect(linesOf({ [name]: 'x' })).toEqual([]);
      // In our own file there are no other programs.
      expect(linesOf({}, { [name]: 'x' })).toHaveLength(1);
    },
  );
});

test.each(['1e1', '0x1', ' 1', '1 ', '1.0', '-0', '+1', '٣', '1_0', 'NaN'])('%j is no whole number', text => {
  expect(linesOf({ PORT: text })).toHaveLength(1);
});
