import { setTimeout as delay } from 'node:timers/promises';
import { type Answer, parseBody } from './answers.ts';

const noAnswerMs = 60_000;
const giveUpOnResetsMs = 30_000;
const firstRetryMs = 25;
const longestRetryMs = 500;
const brokenConnection = new Set(['ECONNRESET', 'ECONNREFUSED', 'EPIPE', 'UND_ERR_SOCKET']);

/** What a request may carry besides its method and path. */
export interface Sending {
  /** Sent as JSON. */
  json?: unknown;
  /** Sent as it is, with no content type of its own. */
  raw?: string | Uint8Array<ArrayBuffer> | ReadableStream;
  headers?: Record<string, string>;
}

/** A client as a shop would write one; everything it was ever answered is in `history`. */
export interface ClaimClient {
  history: Answer[];
  request(method: string, path: string, sending?: Sending): Promise<Answer>;
  get(path: string, headers?: Record<string, string>): Promise<Answer>;
  post(path: string, json: unknown, headers?: Record<string, string>): Promise<Answer>;
  /** Creates a coupon. */
  create(name: string, amount: number, more?: Record<string, unknown>): Promise<Answer>;
  /** Changes a coupon. */
  change(name: string, fields: Record<string, unknown>): Promise<Answer>;
  coupon(name: string): Promise<Answer>;
  /** The simple form: waits for the outcome. */
  claim(name: string, user: string): Promise<Answer>;
  /** The full form: answers a ticket. */
  join(name: string, user: string, headers?: Record<string, string>): Promise<Answer>;
  /** Reads a ticket, waiting up to `waitSeconds` for its outcome when given. */
  ticket(ticket: string, waitSeconds?: number): Promise<Answer>;
}

/** The path of a coupon, whatever its name is. */
export const couponPath = (name: string): string => `/api/coupons/${encodeURIComponent(name)}`;

/**
 * Sends requests to one or several API addresses, which it takes in turn.
 * A broken connection is tried again at the next address, for 30 s; an answer, whatever it is, never is.
 */
export function createRequest(apis: readonly string[]): ClaimClient['request'] {
  let turn = 0;
  return async (method, path, sending = {}) => {
    const startedAt = performance.now();
    for (let resets = 0; ; resets++) {
      const api = apis[turn++ % apis.length]!;
      try {
        const response = await fetch(api + path, requestInit(method, sending));
        const text = await response.text();
        const { status, headers } = response;
        const tookMs = performance.now() - startedAt;
        const answer = { method, path, api, sent: sending.json, status, headers, text, resets, tookMs };
        return { ...answer, body: parseBody(text) };
      } catch (error) {
        if (!isBrokenConnection(error) || performance.now() - startedAt > giveUpOnResetsMs) throw error;
        await delay(Math.min(longestRetryMs, firstRetryMs * 2 ** resets));
      }
    }
  };
}

/** Opens a client that keeps all it is ever answered. */
export function openClient(apis: readonly string[]): ClaimClient {
  const history: Answer[] = [];
  const send = createRequest(apis);

  async function request(method: string, path: string, sending: Sending = {}): Promise<Answer> {
    const answer = await send(method, path, sending);
    history.push(answer);
    return answer;
  }

  const get: ClaimClient['get'] = (path, headers = {}) => request('GET', path, { headers });
  const post: ClaimClient['post'] = (path, json, headers = {}) => request('POST', path, { json, headers });
  return {
    history,
    request,
    get,
    post,
    create: (name, amount, more = {}) => post('/api/coupons', { name, amount, ...more }),
    change: (name, fields) => request('PATCH', couponPath(name), { json: fields }),
    coupon: name => get(couponPath(name)),
    claim: (name, user) => post('/api/coupons/claim', { user_id: user, coupon_name: name }),
    join: (name, user, headers) => post(`${couponPath(name)}/claims`, { user_id: user }, headers),
    ticket: (ticket, waitSeconds) =>
      get(`/api/tickets/${encodeURIComponent(ticket)}${waitSeconds ? `?wait=${waitSeconds}` : ''}`),
  };
}

function requestInit(method: string, { json, raw, headers = {} }: Sending): RequestInit {
  const init: RequestInit & { duplex?: 'half' } = {
    method,
    headers,
    signal: AbortSignal.timeout(noAnswerMs),
  };
  if (json !== undefined) {
    init.headers = { 'content-type': 'application/json', ...headers };
    init.body = JSON.stringify(json);
  } else if (raw !== undefined) {
    init.body = raw;
    if (raw instanceof ReadableStream) init.duplex = 'half';
  }
  return init;
}

function isBrokenConnection(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  return brokenConnection.has((cause as { code?: string } | undefined)?.code ?? '');
}
