import { commonHeaders } from '@claimline/http/reply';
import { type Env, requestIdOf } from '@claimline/http/scope';
import type { Context } from 'hono';
import { type SSEStreamingApi, streamSSE } from 'hono/streaming';
import { findTicket, type TicketSource } from './source.ts';

export const streamLimits = {
  /** A comment line this often keeps proxies from closing a silent stream. */
  heartbeatMs: 15_000,
  /** The place in line is looked at this often, and told when it has changed. */
  placeMs: 2000,
  /** A browser that lost the stream comes back after this. */
  retryMs: 2000,
} as const;

/**
 * A ticket as server-sent events: `ticket` now and at each change, a heartbeat comment, and the
 * end after the outcome. `onEnd` hears once that it is over, however that came.
 */
export function streamTicket(
  c: Context<Env>,
  ticket: string,
  source: TicketSource,
  signal: AbortSignal,
  onEnd: () => void,
): Response {
  for (const [name, value] of Object.entries(commonHeaders(requestIdOf(c)))) c.header(name, value);
  return streamSSE(c, async stream => {
    try {
      await follow(stream, ticket, source, signal);
    } finally {
      onEnd();
    }
  });
}

async function follow(stream: SSEStreamingApi, ticket: string, source: TicketSource, signal: AbortSignal) {
  const left = new AbortController();
  stream.onAbort(() => left.abort());
  const gone = AbortSignal.any([left.signal, signal]);
  let told = '';
  let heartbeatAtMs = performance.now() + streamLimits.heartbeatMs;
  for (let version = 1; !stream.aborted; ) {
    const { seen } = await findTicket([source], ticket);
    const data = JSON.stringify(seen.body);
    if (data !== told) {
      await stream.writeSSE({ event: 'ticket', data, id: String(version++), retry: streamLimits.retryMs });
      told = data;
    }
    if (seen.retryAfter === null || gone.aborted) return;
    // Decided while that was read and told: nobody would wake it any more, 1 % of streams waited 2 s so.
    if (!source.isHeard(ticket)) await source.wait(ticket, streamLimits.placeMs, gone);
    if (performance.now() >= heartbeatAtMs) {
      await stream.write(': still here\n\n');
      heartbeatAtMs = performance.now() + streamLimits.heartbeatMs;
    }
  }
}
