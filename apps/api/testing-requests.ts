/** The type of every body that the API reads. */
export const json = { 'content-type': 'application/json' };

/** The head of a POST by hand; `headers` ends each of its lines. */
export const post = (headers: string) =>
  `POST /api/coupons HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${headers}\r\n`;

/** A whole GET by hand. */
export const get = (path: string, headers = '') =>
  `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${headers}\r\n`;

/** The code in the body of a problem. */
export const codeOf = (body: string) => (JSON.parse(body) as { code: string }).code;
