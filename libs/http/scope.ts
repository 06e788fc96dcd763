import type { HttpBindings } from '@hono/node-server';
import type { Context } from 'hono';
import type { Answer } from './reply.ts';

/** Hono's environment in this house: Node's own request and response, and the request's id. */
export type Env = { Bindings: HttpBindings & Recording; Variables: { requestId: string } };

/** Where an answer has to be kept before it is sent (idempotency.ts), this takes it down; else undefined. */
type Recording = { record?: ((answer: Answer) => Response) | undefined };

/** A caller's own request id is kept when it cannot break a header, a log line or a search. */
const SANE_ID = /^[\w.:-]{1,128}$/;
const PROCESS = crypto.randomUUID().slice(0, 8);
let counter = 0;

/**
 * The request's id: the caller's when it is sane, else the process's random part and a counter,
 * which costs a hundredth of a random UUID.
 */
export function requestIdOf(c: Context<Env>): string {
  let id = c.get('requestId');
  if (id) return id;
  const given = header(c, 'x-request-id');
  id = given !== undefined && SANE_ID.test(given) ? given : newRequestId();
  c.set('requestId', id);
  return id;
}

/** An id of this process: its random part and a counter. */
export function newRequestId(): string {
  return `req_${PROCESS}${(counter++).toString(36)}`;
}

/**
 * Aborts when the connection of the answer has closed, answered or not. The Request's own signal says the
 * same, but to ask for it makes the adapter build a whole Request: 5 % of what a waiting claim costs.
 */
export function goneSignal(c: Context<Env>): AbortSignal {
  const gone = new AbortController();
  c.env.outgoing.once('close', () => gone.abort());
  return gone.signal;
}

/** A request header as Node parsed it, without building a Headers object. `name` in lower case. */
export function header(c: Context<Env>, name: string): string | undefined {
  const value = c.env.incoming.headers[name];
  return Array.isArray(value) ? value.join(', ') : value;
}

/** The longest user agent that is kept. */
const AGENT_MOST = 255;

/** The address of whoever is on the other end of the connection: a proxy's, where there is one. */
export function addressOf(c: Context<Env>): string | null {
  return c.env.incoming.socket.remoteAddress ?? null;
}

/** The request's user agent, cut to what is worth keeping. */
export function agentOf(c: Context<Env>): string | null {
  const agent = header(c, 'user-agent');
  // Copied: what is cut off a string keeps all of it in memory, up to 16 kB.
  return agent === undefined ? null : Buffer.from(agent.slice(0, AGENT_MOST), 'latin1').toString('latin1');
}
