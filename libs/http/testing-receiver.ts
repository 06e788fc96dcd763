import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

export const receiverLimits = {
  /** What a receiver answers in mode `big`. */
  bigBytes: 10 * 1024 * 1024,
  dripMs: 100,
} as const;

/** Ways to be rude: never answer, answer a byte at a time, answer 10 MB, send elsewhere, break off. */
export const receiverModes = ['answer', 'hang', 'drip', 'big', 'redirect', 'reset'] as const;

/** How a receiver behaves; what is left out is friendly. */
export type Behavior = {
  mode?: (typeof receiverModes)[number];
  status?: number;
  delayMs?: number;
  headers?: Record<string, string>;
  body?: string;
};

/** A request as it arrived. */
export type Received = {
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  body: string;
  atMs: number;
};

/** A server that receives webhooks, and can be slow, failing and rude. */
export type Receiver = {
  /** Its address, with a path. */
  url: string;
  port: number;
  received: Received[];
  /** Connections that were ever made to it, whether or not they asked for anything. */
  connections(): number;
  /** How it behaves from now on. The function is told the request and how many came before it. */
  behave(behavior: Behavior | ((request: Received, before: number) => Behavior)): void;
  /** Cuts all connections and stops listening. */
  close(): Promise<void>;
};

/** Starts a receiver on a free port of its own unless one is given. */
export async function startReceiver(
  behavior: Parameters<Receiver['behave']>[0] = {},
  {
    host = '127.0.0.1',
    port = 0,
    onRequest,
  }: { host?: string; port?: number; onRequest?: (request: Received) => void } = {},
): Promise<Receiver> {
  const received: Received[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  let current = behavior;

  const server = createServer(async (incoming, outgoing) => {
    outgoing.on('error', () => {});
    const request = await readRequest(incoming).catch(() => null);
    if (request === null) return;
    const {
      mode = 'answer',
      delayMs = 0,
      ...rest
    } = typeof current === 'function' ? current(request, received.length) : current;
    received.push(request);
    onRequest?.(request);
    setTimeout(() => answers[mode](outgoing, rest), delayMs).unref();
  });
  server.on('connection', socket => {
    connections++;
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  const { port: bound } = server.address() as AddressInfo;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${bound}/webhooks`,
    port: bound,
    received,
    connections: () => connections,
    behave(next) {
      current = next;
    },
    close() {
      for (const socket of sockets) socket.destroy();
      return new Promise(resolve => server.close(() => resolve()));
    },
  };
}

type Answer = (outgoing: ServerResponse, behavior: Pick<Behavior, 'status' | 'headers' | 'body'>) => void;

const answers: Record<(typeof receiverModes)[number], Answer> = {
  answer: (outgoing, { status = 204, headers, body }) => outgoing.writeHead(status, headers).end(body),
  hang: () => {},
  drip(outgoing, { status = 200, headers }) {
    outgoing.writeHead(status, headers);
    const timer = setInterval(() => outgoing.write('.'), receiverLimits.dripMs);
    outgoing.on('close', () => clearInterval(timer));
  },
  big(outgoing, { status = 200, headers }) {
    outgoing.writeHead(status, headers).end(Buffer.alloc(receiverLimits.bigBytes, 'x'));
  },
  redirect: (outgoing, { status = 302, headers }) => outgoing.writeHead(status, headers).end(),
  reset: outgoing => void outgoing.socket?.resetAndDestroy(),
};

async function readRequest(incoming: IncomingMessage): Promise<Received> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk);
  const { method = '', url: path = '', headers } = incoming;
  return { method, path, headers, body: Buffer.concat(chunks).toString('utf8'), atMs: Date.now() };
}
