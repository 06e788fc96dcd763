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
