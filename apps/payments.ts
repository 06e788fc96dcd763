import type { Point } from '@claimline/bookings';
import { isLoopback } from '@claimline/http/access';
import type { PaymentSettings } from '@claimline/payments';
import type { Logger } from '@claimline/telemetry/log';
import type { Config } from './config.ts';

/**
 * How this installation takes payments. Unless somebody says so, the mock is only for trying out: a loopback
 * address alone may be behind a proxy, so that a key or an account of Stripe's means a live shop.
 */
export function paymentSettings(config: Config): PaymentSettings {
  const { HOST, OPERATOR_KEY, STRIPE_SECRET_KEY, PAYMENT_MOCK } = config;
  const isTryingOut = isLoopback(HOST) && !OPERATOR_KEY && !STRIPE_SECRET_KEY;
  return {
    takesMock: PAYMENT_MOCK ? PAYMENT_MOCK === 'on' : isTryingOut,
    stripe: {
      secretKey: STRIPE_SECRET_KEY,
      webhookSecret: config.STRIPE_WEBHOOK_SECRET,
      apiUrl: config.STRIPE_API_URL,
    },
  };
}

/** Says at the start what an operator may not have meant. */
export function warnOfPayments(config: Config, log: Pick<Logger, 'warn'>): void {
  if (paymentSettings(config).takesMock)
    log.warn('the payment method mock is on: it books and takes no money; PAYMENT_MOCK=off turns it off');
  if (config.STRIPE_SECRET_KEY && !config.STRIPE_WEBHOOK_SECRET)
    log.warn(
      'no STRIPE_WEBHOOK_SECRET: Stripe cannot tell of pending payments, which are asked after instead',
    );
}

/**
 * Does nothing; with FAULT_POINT the process dies when that point is reached, as by `kill -9`.
 * @throws where others can reach this machine, which is not the place for a fault run
 */
export function faultPoint(
  { FAULT_POINT: deadly, HOST }: Config,
  log: Pick<Logger, 'warn'>,
): (point: Point) => void {
  if (deadly && !isLoopback(HOST))
    throw new Error(`FAULT_POINT is for fault runs, and HOST is ${HOST}, which others can reach`);
  if (deadly) log.warn(`FAULT_POINT: this process kills itself when a booking passes "${deadly}"`);
  return point => {
    if (point === deadly) process.kill(process.pid, 'SIGKILL');
  };
}
