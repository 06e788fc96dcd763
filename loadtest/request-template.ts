/** A number that differs from request to request, written in place as `digits` decimal digits. */
type Field = { offset: number; digits: number; modulo: number };

export type RequestTemplate = { bytes: Buffer; fields: Field[] };

export type RequestShape = {
  method: string;
  host: string;
  /** `{user}` in path and body becomes a person, `{coupon}` one of `coupons` numbers. */
  path: string;
  body: string;
  userPrefix: string;
  coupons: number;
};

// Fixed, so that a request keeps its Content-Length and only its digits are written anew.
const USER_DIGITS = 9;
const COUPON_DIGITS = 4;
const PLACEHOLDERS = /(\{user\}|\{coupon\})/;

/** The number that stands for `{coupon}`, of person `userNumber` where there are `coupons`. */
export function couponDigits(userNumber: number, coupons: number): string {
  return String(userNumber % coupons).padStart(COUPON_DIGITS, '0');
}

/** The bytes of one keep-alive request, with the places of its digits. */
export function buildRequest(shape: RequestShape): RequestTemplate {
  const digitsOf: Record<string, { prefix: string; digits: number; modulo: number }> = {
    '{user}': { prefix: shape.userPrefix, digits: USER_DIGITS, modulo: Number.POSITIVE_INFINITY },
    '{coupon}': { prefix: '', digits: COUPON_DIGITS, modulo: shape.coupons },
  };
  const fields: Field[] = [];
  let text = '';

  function append(template: string): void {
    for (const part of template.split(PLACEHOLDERS)) {
      const field = digitsOf[part];
      text += field ? field.prefix : part;
      if (!field) continue;
      fields.push({ offset: Buffer.byteLength(text), digits: field.digits, modulo: field.modulo });
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

/** Writes the number of a person into the request, in place: nothing is allocated. */
export function addressTo(request: RequestTemplate, userNumber: number): void {
  for (const { offset, digits, modulo } of request.fields) {
    let rest = userNumber % modulo;
    for (let digit = offset + digits - 1; digit >= offset; digit--) {
      request.bytes[digit] = 48 + (rest % 10);
      rest = Math.trunc(rest / 10);
    }
  }
}
