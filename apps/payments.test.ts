import { parseSettings } from '@claimline/kernel/config';
import { expect, test } from 'vitest';
import { settings } from './config.ts';
import { paymentSettings } from './payments.ts';

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
