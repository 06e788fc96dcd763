/** A request to send. */
export type Shot = {
  method: string;
  path: string;
  headers: Record<string, string>;
  body: string | undefined;
};

/** Coupons that shots may hit. */
export const targets = ['fuzz-1', 'fuzz-2', 'claim'];

const people = ['ada', 'grace', 'barbara'];
const nasty = [
  "'; drop table coupons; --",
  '%00',
  '../..',
  '{{7*7}}',
  '\\',
  '"',
  '\ud800',
  '__proto__',
  'x'.repeat(300),
];
const numbers = [-1, 0, 1.5, 2_147_483_648, 1e308, Number.MAX_SAFE_INTEGER];
const times = [
  '2030-01-01T00:00:00Z',
  '2030-02-30T00:00:00Z',
  '9999-12-31T23:59:59Z',
  '0000-01-01T00:00:00Z',
];
const fields = [
  'name',
  'amount',
  'user_id',
  'coupon_name',
  'status',
  'starts_at',
  'ends_at',
  'per_user_limit',
  'metadata',
  'discount',
  'callback_url',
  'lock_ttl_seconds',
];
const parameters = ['limit', 'cursor', 'status', 'wait', 'activeQueue', 'page'];
const pages = [
  '/health',
  '/livez',
  '/metrics',
  '/docs',
  '/docs/problems',
  '/queues/api/queues',
  '/queues/queue/x',
];
const methods = ['GET', 'GET', 'POST', 'POST', 'POST', 'POST', 'PATCH', 'PUT', 'DELETE', 'HEAD', 'OPTIONS'];
const types = ['text/plain', 'application/x-www-form-urlencoded', 'application/json; charset=utf-8', 'x'];

/** Makes requests that are near enough to real ones to get past the first check, and often wrong somewhere. */
export function createGun(random: () => number): () => Shot {
  const pick = <T>(some: readonly T[]): T => some[Math.floor(random() * some.length)] as T;
  const chance = (share: number) => random() < share;
  const letter = () => pick([32, 128, 0x3000])! * random() + pick([0, 0, 0x1f300]);
  const noise = () =>
    String.fromCodePoint(...Array.from({ length: 1 + random() * 12 }, () => Math.floor(letter())));
  const text = () => pick([() => pick(targets), () => pick(people), () => pick(nasty), noise])();
  const value = (depth = 0): unknown =>
    pick<() => unknown>([
      text,
      () => pick(numbers),
      () => pick([true, false, null]),
      () => pick(times),
      () => (depth > 3 ? [] : [value(depth + 1), value(depth + 1)]),
      () => (depth > 3 ? {} : { [text()]: value(depth + 1) }),
    ])();
  const segment = () => pick([encodeURIComponent, (raw: string) => raw])(text().toWellFormed());

  /** Where a request goes, and a body that is right there. */
  const aims = [
    () => aimAt('/api/coupons', { name: pick([...targets, text()]), amount: 50 }),
    () => aimAt('/api/coupons/claim', { user_id: text(), coupon_name: pick(targets) }),
    () => aimAt(`/api/coupons/${pick(targets)}/claims`, { user_id: text() }),
    () => aimAt(`/api/coupons/${segment()}/claims`, { user_id: text() }),
    () => aimAt(`/api/coupons/${segment()}`, { amount: 60 }),
    () => aimAt(`/api/coupons/${segment()}/line`),
    () => aimAt(`/api/tickets/${pick(['tkt_', ''])}${segment()}`),
    () => aimAt(`/api/tickets/${segment()}/events`),
    () => aimAt(`/api/users/${segment()}/claims`),
    () => aimAt(pick(pages)),
    () => aimAt(`/${pick(['', 'queues/', 'api/'])}${segment()}`),
  ];
  const query = () =>
    pick([
      () => '',
      () => '',
      () => `?${pick(parameters)}=${segment()}`,
      () => `?limit=1&limit=2&cursor=${segment()}`,
    ])();
  const mangled = (json: string) => {
    const at = Math.floor(random() * json.length);
    return pick([json.slice(0, at), json.slice(0, at) + noise() + json.slice(at), `${json}${json}`, '']);
  };
  const headers = (): Record<string, string> => ({
    'content-type': chance(0.8) ? 'application/json' : pick(types),
    ...(chance(0.2) && { prefer: pick(['wait=1', 'wait=x', 'respond-async', 'wait=0, wait=1']) }),
    ...(chance(0.1) && { 'x-request-id': pick(['sane', 'not sane', '"']) }),
    ...(chance(0.1) && { authorization: pick(['Bearer x', 'Basic x', 'x']) }),
    ...(chance(0.1) && { 'if-none-match': pick(['*', '"x"', 'W/"granted-0"']) }),
  });

  return () => {
    const method = pick(methods);
    const [path, right] = pick(aims)();
    if (chance(0.3)) right[pick(fields)] = value();
    const json = JSON.stringify(right);
    const body = ['GET', 'HEAD', 'OPTIONS'].includes(method) ? undefined : chance(0.9) ? json : mangled(json);
    // Addresses that are none at all are looked at in edges-addresses.testsuite.ts.
    const address = `${path}${query()}`.replaceAll(/[^\x21-\x7e]|\\/gu, encodeURIComponent);
    // Node's client frames the body of a DELETE only when it is told the length.
    const length = { 'content-length': String(Buffer.byteLength(body ?? '')) };
    return { method, path: address, headers: { ...headers(), ...(body !== undefined && length) }, body };
  };
}

function aimAt(path: string, body: Record<string, unknown> = {}): [string, Record<string, unknown>] {
  return [path, body];
}
