import type { Point } from '@claimline/bookings';
import { isLoopback } from '@claimline/http/access';
import type { PaymentSettings } from '@claimline/payments';
import type { Config } from './config.ts';

/** How this installation takes payments. The mock is for machines that nobody else can reach, unless somebody says so. */
export function paymentSettings(config: Config): PaymentSettings {
  return {
    takesMock: config.PAYMENT_MOCK ? config.PAYMENT_MOCK === 'on' : isLoopback(config.HOST),
    stripe: {
      secretKey: config.STRIPE_SECRET_KEY,
      webhookSecret: config.STRIPE_WEBHOOK_SECRET,
      apiUrl: config.STRIPE_API_URL,
    },
  };
}

/** Does nothing; with FAULT_POINT the process dies when that point is reached, as by `kill -9`. */
export function faultPoint({ FAULT_POINT: deadly }: Config): (point: Point) => void {
  return point => {
    if (point === deadly) process.kill(process.pid, 'SIGKILL');
  };
}
