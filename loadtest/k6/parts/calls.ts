import http, { type Params, type RefinedResponse } from 'k6/http';
import { operatorKey, targets } from './settings.ts';

/*
 * The calls of Claimline that the scenarios make. `turn` says which API process is asked; the number of the
 * iteration spreads them evenly.
 */

export type Response = RefinedResponse<'text'>;

export type Coupon = {
  amount: number;
  remaining_amount: number;
  claimed_count: number;
  claimed_by: string[];
};

export type Ticket = { ticket: string; status: 'queued' | 'granted' | 'refused' | 'failed' };

export type ValidationStats = { attempts: number; valid: number; by_reason: Record<string, number> };

export type Line = { in_line: number; updated_at: string };

type Page = { data: { sequence: number; user_id: string }[]; next_cursor: string | null };

const REQUEST_TIMEOUT = '60s';
const PAGE_MOST = 1000;
const EVENT_IN_MS = 24 * 3_600_000;
const BODY_EXCERPT_CHARS = 300;

const authorization: Record<string, string> = operatorKey ? { authorization: `Bearer ${operatorKey}` } : {};
const read: Params = { headers: authorization, timeout: REQUEST_TIMEOUT };
const write: Params = {
  headers: { 'content-type': 'application/json', ...authorization },
  timeout: REQUEST_TIMEOUT,
};

const waiting: Params = { ...write, headers: { ...write.headers, prefer: 'wait=30' } };

// Every answer is judged where it is counted; k6's own idea of a failed request would only cost time. That it may
// be null is documented, and not in the types.
http.setResponseCallback(null as never);

/** Creates a coupon that is open at once; throws when the answer is not 201. */
export function createCoupon(name: string, amount: number, terms: object = {}): void {
  const response = http.post(address(0, '/api/coupons'), JSON.stringify({ name, amount, ...terms }), write);
  if (response.status !== 201) throw new Error(`creating ${name} answered ${describe(response)}`);
}

/** Puts codes into a coupon's book. */
export function uploadCodes(name: string, codes: string[]): void {
  expectStatus(
    `uploading codes of ${name}`,
    201,
    http.post(address(0, `${couponPath(name)}/codes`), JSON.stringify({ codes }), write),
  );
}

/** Gives a code to a person. */
export function assignCode(code: string, userId: string): void {
  const body = JSON.stringify({ user_id: userId });
  expectStatus(`assigning ${code}`, 201, http.post(address(0, `/api/codes/${code}/assign`), body, write));
}

export function pauseCoupon(name: string): void {
  const body = JSON.stringify({ status: 'paused' });
  expectStatus(`pausing ${name}`, 200, http.patch(address(0, couponPath(name)), body, write));
}

export function validate(turn: number, body: object): Response {
  return http.post(address(turn, '/api/validations'), JSON.stringify(body), write);
}

/** Sends them at once, each to the next API process, and waits for all answers. */
export function validateAtOnce(turn: number, bodies: object[]): Response[] {
  return postAtOnce(turn, '/api/validations', bodies);
}

/** Throws when the answer is not 200. */
export function readValidationStats(name: string): ValidationStats {
  const response = http.get(address(0, `${couponPath(name)}/validations/stats`), read);
  return parse<ValidationStats>(`reading the validations of ${name}`, response);
}

export function claim(turn: number, coupon: string, userId: string): Response {
  return http.post(address(turn, claimsPath(coupon)), JSON.stringify({ user_id: userId }), write);
}

/** Sends a claim for each person at once, each to the next API process, and waits for all answers. */
export function claimAtOnce(turn: number, coupon: string, users: string[]): Response[] {
  return postAtOnce(
    turn,
    claimsPath(coupon),
    users.map(user_id => ({ user_id })),
  );
}

/** The same in the simple form, which answers with the outcome. */
export function claimSimplyAtOnce(turn: number, coupon: string, users: string[]): Response[] {
  return postAtOnce(
    turn,
    '/api/coupons/claim',
    users.map(user_id => ({ user_id, coupon_name: coupon })),
  );
}

export function getTicket(turn: number, ticket: string, etag?: string): Response {
  const params = etag === undefined ? read : { ...read, headers: { ...read.headers, 'if-none-match': etag } };
  return http.get(address(turn, `/api/tickets/${ticket}`), params);
}

/** Waits up to 30 s for the outcome. */
export function awaitTicket(turn: number, ticket: string): Response {
  return http.get(address(turn, `/api/tickets/${ticket}?wait=30`), read);
}

/** The events of a ticket; the server ends the stream after the outcome, so it is read as one body. */
export function streamTicket(turn: number, ticket: string): Response {
  return http.get(address(turn, `/api/tickets/${ticket}/events`), read);
}

export function getCoupon(turn: number, name: string): Response {
  return http.get(address(turn, couponPath(name)), read);
}

export function getLine(turn: number, name: string): Response {
  return http.get(address(turn, `${couponPath(name)}/line`), read);
}

export function getClaims(turn: number, name: string): Response {
  return http.get(address(turn, claimsPath(name)), read);
}

/** Creates an event that is on sale at once and answers its id; throws when the answer is not 201. */
export function createEvent(name: string): string {
  const starts_at = new Date(Date.now() + EVENT_IN_MS).toISOString();
  const response = http.post(address(0, '/api/events'), JSON.stringify({ name, starts_at }), write);
  if (response.status !== 201) throw new Error(`creating ${name} answered ${describe(response)}`);
  return String(response.json('id'));
}

/** Adds seats of these numbers; throws when the answer is not 201. */
export function addSeats(event: string, numbers: string[]): void {
  const seats = numbers.map(number => ({ number, price: 1000, currency: 'EUR' }));
  const response = http.post(address(0, `/api/events/${event}/seats`), JSON.stringify({ seats }), write);
  if (response.status !== 201) throw new Error(`adding seats answered ${describe(response)}`);
}

/** Asks for seats together, and waits for the outcome. */
export function reserveSeats(turn: number, event: string, userId: string, numbers: string[]): Response {
  const body = { user_id: userId, seats: numbers.map(number => ({ number })) };
  return http.post(address(turn, `/api/events/${event}/reservations`), JSON.stringify(body), waiting);
}

/** How many seats an event has, and how many are left and held; throws when the answer is not 200. */
export function readEventSeats(event: string): { total: number; available: number; held: number } {
  const response = http.get(address(0, `/api/events/${event}`), read);
  return parse<{ seats: { total: number; available: number; held: number } }>('reading the event', response)
    .seats;
}

/** Reads a coupon; throws when the answer is not 200. */
export function readCoupon(name: string): Coupon {
  return parse<Coupon>(`reading ${name}`, getCoupon(0, name));
}

/** Reads a coupon's line, which is at most 1 s old; throws when the answer is not 200. */
export function readLine(name: string): Line {
  return parse<Line>(`reading the line of ${name}`, getLine(0, name));
}

/** Reads all claims of a coupon, a page after the other. */
export function readClaims(name: string): Page['data'] {
  const claims: Page['data'] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const path: string = `${claimsPath(name)}?limit=${PAGE_MOST}${cursor && `&cursor=${encodeURIComponent(cursor)}`}`;
    const page: Page = parse<Page>(`listing the claims of ${name}`, http.get(address(0, path), read));
    claims.push(...page.data);
    cursor = page.next_cursor;
  }
  return claims;
}

/** The body of an answer; null when it is not JSON. */
export function bodyOf<T>(response: Response): T | null {
  try {
    return JSON.parse(response.body ?? '') as T;
  } catch {
    return null;
  }
}

/** From the start of the request, a wait for a connection included, to the end of the answer, in ms. */
export function latencyMs({ timings }: Response): number {
  return timings.blocked + timings.connecting + timings.tls_handshaking + timings.duration;
}

let isShown = false;

/** Says what an answer was that nobody expected: the first one of each client, the rest is counted. */
export function show(what: string, response: Response): void {
  if (!isShown) console.error(`${what} answered ${describe(response)}`);
  isShown = true;
}

/** One line that shows an answer. */
export function describe({ status, body, error }: Response): string {
  return `${status} ${error || (body ?? '').slice(0, BODY_EXCERPT_CHARS)}`;
}

function postAtOnce(turn: number, path: string, bodies: object[]): Response[] {
  return http.batch(
    bodies.map((body, index) => ['POST', address(turn + index, path), JSON.stringify(body), write] as const),
  ) as Response[];
}

function parse<T>(what: string, response: Response): T {
  const body = response.status === 200 ? bodyOf<T>(response) : null;
  if (body === null) throw new Error(`${what} answered ${describe(response)}`);
  return body;
}

function expectStatus(what: string, status: number, response: Response): void {
  if (response.status !== status) throw new Error(`${what} answered ${describe(response)}`);
}

function address(turn: number, path: string): string {
  return targets[turn % targets.length] + path;
}

function couponPath(name: string): string {
  return `/api/coupons/${encodeURIComponent(name)}`;
}

function claimsPath(name: string): string {
  return `${couponPath(name)}/claims`;
}
