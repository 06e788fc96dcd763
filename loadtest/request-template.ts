/** Placeholder in a path or body that becomes a different person in every request. */
const USER_PLACEHOLDER = '{user}';

// Fixed, so that a request keeps its Content-Length and only its digits are written anew.
const USER_DIGITS = 9;

export type RequestTemplate = { bytes: Buffer; digitOffsets: number[] };

export type RequestShape = { method: string; host: string; path: string; body: string; userPrefix: string };

/** The bytes of one keep-alive request, with the places of the person's digits. */
export function buildRequest(shape: RequestShape): RequestTemplate {
  const user = shape.userPrefix + '0'.repeat(USER_DIGITS);
  const path = shape.path.replaceAll(USER_PLACEHOLDER, user);
  const body = shape.body.replaceAll(USER_PLACEHOLDER, user);
  const head = [
    `${shape.method} ${path} HTTP/1.1`,
    `Host: ${shape.host}`,
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
  ];
  const bytes = Buffer.from(`${head.join('\r\n')}\r\n\r\n${body}`);
  const digitOffsets: number[] = [];
  for (let at = bytes.indexOf(user); at >= 0; at = bytes.indexOf(user, at + user.length)) {
    digitOffsets.push(at + shape.userPrefix.length);
  }
  return { bytes, digitOffsets };
}

/** Writes the number of a person into the request, in place: nothing is allocated. */
export function addressTo(request: RequestTemplate, userNumber: number): void {
  for (const offset of request.digitOffsets) {
    let rest = userNumber;
    for (let digit = offset + USER_DIGITS - 1; digit >= offset; digit--) {
      request.bytes[digit] = 48 + (rest % 10);
      rest = Math.trunc(rest / 10);
    }
  }
}
