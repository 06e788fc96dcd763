import { problemResponse } from '@claimline/http/problem';
import { commonHeaders } from '@claimline/http/reply';
import { type Env, requestIdOf } from '@claimline/http/scope';
import { AppError } from '@claimline/kernel/error';
import type { Context } from 'hono';
import { type SSEStreamingApi, streamSSE } from 'hono/streaming';
import { findTicket, type Seen, type TicketSource } from './source.ts';

export const streamLimits = {
  /** A comment line this often keeps proxies from closing a silent stream. */
  heartbeatMs: 15_000,
  /** The place in line is looked at this often, and told when it has changed. */
  placeMs: 2000,
  /** A browser that lost the stream comes back after this. */
  retryMs: 2000,
} as const;

/** What a stream needs beside its ticket. */
export type Following = {
  source: TicketSource;
  /** Makes an expected failure of what a store threw; what it does not know it gives back. */
  translate(error: unknown): unknown;
  /** Hears of what was no expected failure. */
  onError(error: unknown): void;
  /** Ends the stream with the ticket as it stands. */
  stopping: AbortSignal;
  /** Hears once that the stream is over, however that came. */
  onEnd(): void;
};

/**
 * A ticket as server-sent events: `ticket` now and at each change, a heartbeat comment, and the
 * end after the outcome. While a store is away the stream goes on. A ticket that is lost meanwhile ends it
 * with a `problem`, which is what reading the ticket would be answered. (EventSource calls its own failures
 * `error`.)
 */
export function streamTicket(c: Context<Env>, ticket: string, following: Following): Response {
  for (const [name, value] of Object.entries(commonHeaders(requestIdOf(c)))) c.header(name, value);
  return streamSSE(c, async stream => {
    const heartbeat = setInterval(() => void stream.write(': still here\n\n'), streamLimits.heartbeatMs);
    try {
      await follow(stream, ticket, following);
    } catch (error) {
      if (!(error instanceof AppError)) following.onError(error);
      await stream.writeSSE({ event: 'problem', data: await problemResponse(c, error).text() });
    } finally {
      clearInterval(heartbeat);
      following.onEnd();
    }
  });
}

async function follow(stream: SSEStreamingApi, ticket: string, { source, translate, stopping }: Following) {
  const left = new AbortController();
  stream.onAbort(() => left.abort());
  const gone = AbortSignal.any([left.signal, stopping]);

  /** Null while a store is away. */
  async function look(): Promise<Seen | null> {
    try {
      return (await findTicket([source], ticket)).seen;
    } catch (error) {
      const failure = translate(error);
      const isPassing = failure instanceof AppError && failure.problem.retryAfterSeconds !== undefined;
      if (!isPassing) throw failure;
      return null;
    }
  }

  let told = '';
  for (let version = 1; !stream.aborted; ) {
    const seen = await look();
    const data = seen ? JSON.stringify(seen.body) : told;
    if (data !== told) {
      await stream.writeSSE({ event: 'ticket', data, id: String(version++), retry: streamLimits.retryMs });
      told = data;
    }
    if (seen?.retryAfter === null || gone.aborted) return;
    // Decided while that was read and told: nobody would wake it any more, 1 % of streams waited 2 s so.
    if (!seen || !source.isHeard(ticket)) await source.wait(ticket, streamLimits.placeMs, gone);
  }
}
