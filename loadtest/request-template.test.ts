import { expect, it } from 'vitest';
import { addressTo, buildRequest, couponDigits } from './request-template.ts';

it('writes person and coupon in place, wherever they stand, and keeps the length true', () => {
  const body = '{"name":"Zoë","user_id":"{user}","coupon":"c-{coupon}"}';
  const shape = {
    method: 'POST',
    host: 'h:1',
    path: '/c-{coupon}/{user}',
    body,
    userPrefix: 'ü-',
    coupons: 1000,
  };
  const request = buildRequest(shape);
  for (const person of [0, 7, 999, 1000, 1234567]) {
    addressTo(request, person);
    const [head = '', sent = ''] = request.bytes.toString().split('\r\n\r\n');
    const user = `ü-${String(person).padStart(9, '0')}`;
    const coupon = `c-${couponDigits(person, 1000)}`;
    expect(JSON.parse(sent)).toEqual({ name: 'Zoë', user_id: user, coupon });
    expect(head).toContain(`POST /${coupon}/${user} HTTP/1.1`);
    expect(head).toContain(`Content-Length: ${Buffer.byteLength(sent)}`);
  }
});

it('gives every crowd an event of its own, and everybody seats that cross those of others', () => {
  const body = '{"seats":[{"number":"{seat}"},{"number":"{seat+1}"},{"number":"{seat+250}"}]}';
  const shape = { method: 'POST', host: 'h:1', path: '/e{event}', body, userPrefix: 'u', coupons: 1 };
  const request = buildRequest({ ...shape, crowd: 1000, firstEvent: 7 });
  for (const [person, event, seats] of [
    [0, '0007', ['000', '001', '250']],
    [999, '0007', ['499', '000', '249']],
    [1000, '0008', ['000', '001', '250']],
  ] as const) {
    addressTo(request, person);
    const [head = '', sent = ''] = request.bytes.toString().split('\r\n\r\n');
    expect(head).toContain(`POST /e${event} HTTP/1.1`);
    expect(JSON.parse(sent)).toEqual({ seats: seats.map(number => ({ number })) });
  }
});
