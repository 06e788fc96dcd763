import { expect, test } from 'vitest';
import { aroundRequests } from './contract/around-requests.ts';
import { bookingCalls } from './contract/bookings.ts';
import { claimRefusals } from './contract/claim-refusals.ts';
import { claims } from './contract/claims.ts';
import { codes } from './contract/codes.ts';
import { couponChanges } from './contract/coupon-changes.ts';
import { coupons } from './contract/coupons.ts';
import { hostileText } from './contract/hostile-text.ts';
import { idempotencyKeys } from './contract/idempotency-keys.ts';
import { seats } from './contract/seats.ts';
import { simpleForm } from './contract/simple-form.ts';
import { tickets } from './contract/tickets.ts';
import { validations } from './contract/validations.ts';
import { onEachEngine } from './engines.ts';

onEachEngine({}, stack => {
  simpleForm(stack);
  coupons(stack);
  couponChanges(stack);
  claims(stack);
  claimRefusals(stack);
  tickets(stack);
  aroundRequests(stack);
  hostileText(stack);
  codes(stack);
  validations(stack);
  seats(stack);
  bookingCalls(stack);
  idempotencyKeys(stack);

  test('the same processes answered all of it', () => {
    const { apis, workers } = stack().pids();
    for (const pid of [...apis, ...workers]) expect(process.kill(pid, 0)).toBe(true);
    expect([apis.length, workers.length]).toEqual([1, 1]);
  });
});
