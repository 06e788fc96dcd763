import { parseSettings } from '@claimline/kernel/config';
import { expect, test } from 'vitest';
import { settings } from './config.ts';
import { faultPoint, paymentSettings, warnOfPayments } from './payments.ts';

const key = { OPERATOR_KEY: 'sixteen-letters-' };

test.each([
  [{}, true],
  [{ HOST: '0.0.0.0' }, false],
  [key, false],
  [{ STRIPE_SECRET_KEY: 'sk_test_1' }, false],
  [{ ...key, PAYMENT_MOCK: 'on' }, true],
  [{ PAYMENT_MOCK: 'off' }, false],
])('whether the mock is on: %j: %s', (given, takesMock) => {
  expect(paymentSettings(parseSettings(settings, given))).toMatchObject({ takesMock });
});

test.each([
  [{ PAYMENT_MOCK: 'off' }, []],
  [{}, ['mock is on']],
  [{ STRIPE_SECRET_KEY: 'sk_test_1' }, ['no STRIPE_WEBHOOK_SECRET']],
  [{ STRIPE_SECRET_KEY: 'sk_test_1', STRIPE_WEBHOOK_SECRET: 'whsec_1' }, []],
])('what is warned of at the start: %j', (given, warnings) => {
  const said: string[] = [];
  warnOfPayments(parseSettings(settings, given), { warn: (text: string) => void said.push(text) } as never);
  expect(said).toEqual(warnings.map(text => expect.stringContaining(text)));
});

test('FAULT_POINT is warned of, and refused where others can reach this machine', () => {
  const said: string[] = [];
  const log = { warn: (text: string) => void said.push(text) } as never;
  const given = { FAULT_POINT: 'charged' };
  faultPoint(parseSettings(settings, {}), log);
  expect(said).toEqual([]);
  faultPoint(parseSettings(settings, given), log);
  expect(said).toEqual([expect.stringContaining('kills itself')]);
  const open = parseSettings(settings, { ...given, HOST: '0.0.0.0', ...key });
  expect(() => faultPoint(open, log)).toThrow('HOST is 0.0.0.0');
});
