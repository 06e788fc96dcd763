/** A number that differs from request to request, written in place as `digits` decimal digits: (n / every + from) % modulo. */
type Field = { offset: number; digits: number; modulo: number; every: number; from: number };

export type RequestTemplate = { bytes: Buffer; fields: Field[] };

export type RequestShape = {
  method: string;
  host: string;
  /**
   * `{user}` in path and body becomes a person, `{coupon}` one of `coupons` numbers. `{event}` is another one
   * for every `crowd` people, from `firstEvent`, and `{seat+7}` the seat seven after the person's own.
   */
  path: string;
  body: string;
  userPrefix: string;
  coupons: number;
  crowd?: number;
  firstEvent?: number;
};

/** Seats of an event that people in a crowd ask for. */
export const EVENT_SEATS = 500;

// Fixed, so that a request keeps its Content-Length and only its digits are written anew.
const USER_DIGITS = 9;
const COUPON_DIGITS = 4;
const SEAT_DIGITS = 3;
const PLACEHOLDERS = /(\{user\}|\{coupon\}|\{event\}|\{seat(?:\+\d+)?\})/;

/** The number that stands for `{coupon}`, of person `userNumber` where there are `coupons`. */
export function couponDigits(userNumber: number, coupons: number): string {
  return String(userNumber % coupons).padStart(COUPON_DIGITS, '0');
}

/** The bytes of one keep-alive request, with the places of its digits. */
export function buildRequest(shape: RequestShape): RequestTemplate {
  const fields: Field[] = [];
  let text = '';

  function append(template: string): void {
    for (const part of template.split(PLACEHOLDERS)) {
      const field = fieldOf(part, shape);
      text += field ? field.prefix : part;
      if (!field) continue;
      const { prefix: _, ...numbers } = field;
      fields.push({ offset: Buffer.byteLength(text), ...numbers });
      text += '0'.repeat(field.digits);
    }
  }

  append(shape.body);
  const bodyLength = Buffer.byteLength(text);
  fields.length = 0;
  text = '';
  append(`${shape.method} ${shape.path} HTTP/1.1\r\nHost: ${shape.host}\r\n`);
  append(`Content-Type: application/json\r\nContent-Length: ${bodyLength}\r\n\r\n`);
  append(shape.body);
  return { bytes: Buffer.from(text), fields };
}

function fieldOf(
  part: string,
  shape: RequestShape,
): (Omit<Field, 'offset'> & { prefix: string }) | undefined {
  const { userPrefix, coupons, crowd = 1, firstEvent = 0 } = shape;
  const plain = { prefix: '', every: 1, from: 0 };
  if (part === '{user}')
    return { ...plain, prefix: userPrefix, digits: USER_DIGITS, modulo: Number.POSITIVE_INFINITY };
  if (part === '{coupon}') return { ...plain, digits: COUPON_DIGITS, modulo: coupons };
  if (part === '{event}')
    return { ...plain, digits: COUPON_DIGITS, modulo: 10 ** COUPON_DIGITS, every: crowd, from: firstEvent };
  const seat = /^\{seat\+?(\d*)\}$/.exec(part);
  return seat ? { ...plain, digits: SEAT_DIGITS, modulo: EVENT_SEATS, from: Number(seat[1]) } : undefined;
}

/** Writes the number of a person into the request, in place: nothing is allocated. */
export function addressTo(request: RequestTemplate, userNumber: number): void {
  for (const { offset, digits, modulo, every, from } of request.fields) {
    let rest = (Math.floor(userNumber / every) + from) % modulo;
    for (let digit = offset + digits - 1; digit >= offset; digit--) {
      request.bytes[digit] = 48 + (rest % 10);
      rest = Math.trunc(rest / 10);
    }
  }
}
