import { Resolver } from 'node:dns/promises';
import type { AllowList } from './allow-list.ts';
import { complaintAboutUrl } from './guard.ts';
import { BLOCKED, createLookup, lookupLimits } from './lookup.ts';
import { signatureHeaders } from './sign.ts';

export const sendLimits = {
  connectMs: 3000,
  /** From the first packet to the last byte that is read of the answer, where nothing else is configured. */
  totalMs: 15_000,
  /** Of the answer's body; then the connection is cut. */
  bodyBytes: 16 * 1024,
} as const;

/** What kept a message from being answered; `secret`: none of its secrets can be opened. */
export const sendFailures = ['secret', 'blocked', 'dns', 'connect', 'tls', 'timeout', 'broken'] as const;

/** One of {@link sendFailures}. */
export type SendFailure = (typeof sendFailures)[number];

/** What one try came to. Whoever answers a status has answered, also when the body then breaks off. */
export type Sent = {
  /** null when there was no answer. Redirects are not followed. */
  status: number | null;
  failure: SendFailure | null;
  /** What the system or TLS calls the failure, such as ECONNREFUSED. */
  code: string | null;
  /** The answer's Retry-After in seconds from now, or null. */
  retryAfterS: number | null;
  /** The answer's `webhook-delivery` header, or null. */
  delivery: string | null;
  /** As text that can be stored, cut at the limit. */
  body: string;
  durationMs: number;
};

/** A message at one of its attempts. */
export type Outgoing = {
  url: string;
  /** The message's id, the same at every attempt. */
  id: string;
  /** The JSON that is sent, to the byte. */
  body: string;
  /** Those in force, the newest first. */
  secrets: Buffer[];
  /** Unix seconds of this attempt, by the database's clock. */
  timestampS: number;
  /** From 1. */
  attempt: number;
};

/** Sends messages to addresses that others have given, and to nothing that is not open to them. */
export type Sender = ReturnType<typeof createSender>;

/**
 * Connections to endpoints: as many as there are messages under way, kept for some seconds. How many are
 * under way, and to whom, the caller decides.
 * @param totalMs how long an attempt may take
 * @param resolver the name servers to ask, those of the system when left out
 */
export function createSender({
  allow,
  totalMs = sendLimits.totalMs,
  resolver = createResolver(),
}: {
  allow: AllowList;
  totalMs?: number;
  resolver?: Resolver;
}) {
  let opened: ReturnType<typeof open> | undefined;

  /** With the first message: to load undici takes 0.13 s, which the start of a process need not wait for. */
  async function open() {
    const { Agent, request } = await import('undici');
    // An agent follows no redirects, and connects to nothing that its lookup leaves out.
    const agent = new Agent({
      connect: { lookup: createLookup(allow, resolver), timeout: sendLimits.connectMs },
      headersTimeout: totalMs,
      bodyTimeout: totalMs,
      pipelining: 1,
    });
    return { agent, request };
  }

  return {
    /** Sends a message once. Never throws for what the other side does. */
    async send(message: Outgoing): Promise<Sent> {
      const startedMs = performance.now();
      const sent = await attempt(message);
      return { ...unsent, ...sent, durationMs: Math.round(performance.now() - startedMs) };
    },
    /** Lets go of all connections; what is under way fails. */
    async close(): Promise<void> {
      await (await opened)?.agent.destroy();
    },
  };

  async function attempt({ url, body, ...message }: Outgoing): Promise<Partial<Sent>> {
    if (complaintAboutUrl(url, allow) !== null) return { failure: 'blocked', code: BLOCKED };
    opened ??= open();
    const { agent, request } = await opened;
    const signal = AbortSignal.timeout(totalMs);
    try {
      const answer = await request(url, {
        method: 'POST',
        dispatcher: agent,
        signal,
        headers: {
          ...fixedHeaders,
          'webhook-attempt': String(message.attempt),
          ...signatureHeaders(message.secrets, { ...message, body }),
        },
        body,
      });
      return {
        status: answer.statusCode,
        retryAfterS: readRetryAfter(answer.headers['retry-after']),
        delivery: [answer.headers['webhook-delivery']].flat()[0] ?? null,
        body: await readStart(answer.body),
      };
    } catch (error) {
      return failureOf(error, signal.aborted);
    }
  }
}

/** What a try came to that was not made. */
export const unsent: Sent = {
  status: null,
  failure: null,
  code: null,
  retryAfterS: null,
  delivery: null,
  body: '',
  durationMs: 0,
};

const fixedHeaders = {
  'content-type': 'application/json',
  // What is compressed could not be read in the attempt log.
  'accept-encoding': 'identity',
  'user-agent': 'Claimline-Webhooks/1.0',
};

function createResolver(): Resolver {
  return new Resolver({ timeout: lookupLimits.tryMs, tries: lookupLimits.tries });
}

/** Reads a body up to the limit. To stop before its end cuts the connection. */
async function readStart(stream: NodeJS.ReadableStream): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  stream.on('error', () => {}); // Being cut is one.
  try {
    for await (const chunk of stream) {
      chunks.push(chunk as Buffer);
      size += chunk.length;
      if (size >= sendLimits.bodyBytes) break;
    }
  } catch {
    // The status is the answer; what came of the body is shown as it is.
  }
  // Postgres stores no NUL.
  return Buffer.concat(chunks)
    .toString('utf8', 0, Math.min(size, sendLimits.bodyBytes))
    .replaceAll('\0', '\ufffd');
}

/** Retry-After is a number of seconds or a date. */
function readRetryAfter(header: string | string[] | undefined): number | null {
  const text = [header].flat()[0]?.trim() ?? '';
  if (/^\d{1,9}$/.test(text)) return Number(text);
  const ms = Date.parse(text) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, Math.ceil(ms / 1000)) : null;
}

function failureOf(error: unknown, isOverdue: boolean): Partial<Sent> {
  const { code: given, syscall = '' } = error as { code?: unknown; syscall?: string };
  const code = typeof given === 'string' ? given : null;
  if (isOverdue) return { failure: 'timeout', code: 'ETIMEDOUT' };
  if (code === null) return { failure: 'broken', code };
  if (code === BLOCKED) return { failure: 'blocked', code };
  if (/^(?:query|getaddrinfo)/.test(syscall)) return { failure: 'dns', code };
  if (/TIMEOUT|TIMEDOUT/.test(code)) return { failure: 'timeout', code };
  if (/^(?:CERT_|ERR_TLS|ERR_SSL|EPROTO|UNABLE_|DEPTH_ZERO|SELF_SIGNED|HOSTNAME)/.test(code))
    return { failure: 'tls', code };
  return {
    failure: /^E(?:CONNREFUSED|HOSTUNREACH|NETUNREACH|ADDRNOTAVAIL|ACCES|PERM)$/.test(code)
      ? 'connect'
      : 'broken',
    code,
  };
}
