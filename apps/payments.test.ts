import { parseSettings } from '@claimline/kernel/config';
import { expect, test } from 'vitest';
import { settings } from './config.ts';
import { paymentSettings, warnOfPayments } from './payments.ts';

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
