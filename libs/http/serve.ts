import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pause } from '@claimline/kernel/backoff';
import { metrics } from '@claimline/telemetry/metrics';
import { getRequestListener, type HttpBindings } from '@hono/node-server';
import { watchArrivals } from './arrivals.ts';
import { anonymousProblem } from './problem.ts';

export const serveLimits = {
  /** Above the idle time of common load balancers (60 s), so that they close first. */
  keepAliveMs: 65_000,
  /** The head of a request has to arrive within this; of its body see arrivals.ts. */
  headersMs: 66_000,
  idleSweepMs: 100,
  /** Connections that wait to be accepted; Node's own 511 overflow when thousands connect at once. The kernel's bound is lower where somaxconn is. */
  backlog: 4096,
} as const;

type Fetch = (request: Request, env: HttpBindings) => Response | Promise<Response>;

/** An HTTP server that can finish what it has begun. */
export type Serving = {
  readonly port: number;
  readonly isDraining: boolean;
  /** From now on every answer says `Connection: close`, and readiness should say no. */
  drain(): void;
  /** Takes no connection more, waits for the requests under way up to `withinMs`, then cuts what is left. */
  close(withinMs: number): Promise<{ cut: boolean }>;
};

/** A request whose address or host is none never reaches a route; it is answered like any other all the same. */
function refuseRequest(): Response {
  const message = 'the address or the host of the request is not valid';
  const { body, ...how } = anonymousProblem({ code: 'invalid_request', message });
  return new Response(body, how);
}

/** Listens on host and port; port 0 takes a free one. Error: the port is taken. */
export async function serve(fetch: Fetch, host: string, port: number): Promise<Serving> {
  const listener = getRequestListener(fetch as never, { errorHandler: refuseRequest });
  // Node would answer a request without Host with nothing but a status; Hono leaves it to refuseRequest.
  const server = createServer({ requireHostHeader: false }, listener);
  server.keepAliveTimeout = serveLimits.keepAliveMs;
  server.headersTimeout = serveLimits.headersMs;
  watchArrivals(server);
  let isDraining = false;
  // Before Hono's own listener: what is set here goes out with whatever is answered.
  server.prependListener('request', (_, response) => {
    if (isDraining) response.setHeader('Connection', 'close');
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, host, backlog: serveLimits.backlog }, resolve);
  });
  // A connection that cannot be accepted, for want of descriptors, is no reason to end all the others.
  server.on('error', () => metrics.errors.inc({ where: 'accept' }));

  return {
    port: (server.address() as AddressInfo).port,
    get isDraining() {
      return isDraining;
    },
    drain() {
      isDraining = true;
    },
    async close(withinMs) {
      isDraining = true;
      const deadlineMs = performance.now() + withinMs;
      let isClosed = false;
      server.close(() => {
        isClosed = true;
      });
      // server.close() alone waits for keep-alive connections that may never ask again.
      while (!isClosed && performance.now() < deadlineMs) {
        server.closeIdleConnections();
        await pause(serveLimits.idleSweepMs);
      }
      if (!isClosed) server.closeAllConnections();
      return { cut: !isClosed };
    },
  };
}
