import { type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Problem } from '@claimline/kernel/error';
import { anonymousProblem } from './problem.ts';

export const arrivalLimits = {
  /** A body has to arrive whole within this. */
  bodyMs: 60_000,
  /** The next piece of a body that is read as a stream has to come within this, once there is room for it, ... */
  pieceMs: 30_000,
  /** ... and the whole of it within this: what is slow is mostly what is done with it. */
  streamMs: 30 * 60_000,
  /** Bodies on their way are looked at this often. */
  sweepMs: 5000,
} as const;

/** Requests whose bodies are read as streams. */
const streams = new WeakSet<IncomingMessage>();

/** Gives a request the time of a stream: what reads its body holds the sender up. */
export function allowStream(incoming: IncomingMessage): void {
  streams.add(incoming);
}

/**
 * Answers, in place of Node, what never becomes a request: what Node's parser cannot read, and bodies that do not
 * arrive in time. Node's own limit of time is one for all requests, so it is off and this looks after them.
 */
export function watchArrivals(server: Server): void {
  /** The last answer of each open connection, begun or not. */
  const answers = new Map<Socket, ServerResponse>();
  server.requestTimeout = 0;
  server.on('connection', (socket: Socket) => socket.once('close', () => answers.delete(socket)));
  server.prependListener('request', (request, response) => void answers.set(request.socket, response));
  server.on('checkExpectation', (_, response: ServerResponse) => {
    const { status, headers, body } = anonymousProblem(unmet);
    response.writeHead(status, { ...headers, Connection: 'close' }).end(body);
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    refuse(socket, answers.get(socket as Socket), broken[error.code ?? ''] ?? unreadable);
  });

  const sweep = setInterval(() => {
    const now = performance.now();
    for (const [socket, response] of answers)
      if (isLate(response.req, now)) refuse(socket, response, tooSlow);
  }, arrivalLimits.sweepMs).unref();
  server.once('close', () => clearInterval(sweep));
}

/** When a body that is on its way was first seen, and what had come of it when it last moved. */
type Arrival = { sinceMs: number; movedMs: number; bytes: number };
const arrivals = new WeakMap<IncomingMessage, Arrival>();

function isLate(request: IncomingMessage, now: number): boolean {
  if (request.complete) return false;
  const bytes = request.socket.bytesRead;
  let arrival = arrivals.get(request);
  if (!arrival) {
    arrival = { sinceMs: now, movedMs: now, bytes };
    arrivals.set(request, arrival);
  }
  if (!streams.has(request)) return now - arrival.sinceMs > arrivalLimits.bodyMs;
  // While something waits to be read it is not the sender who is slow.
  if (bytes !== arrival.bytes || request.readableLength > 0) Object.assign(arrival, { bytes, movedMs: now });
  return now - arrival.movedMs > arrivalLimits.pieceMs || now - arrival.sinceMs > arrivalLimits.streamMs;
}

/** Answers and closes a connection, unless an answer to the same request has begun to go out: then it only closes. */
function refuse(socket: Duplex, response: ServerResponse | undefined, problem: Problem): void {
  const isUnderWay = response && !response.writableFinished;
  if (isUnderWay && response.req.complete) {
    // The request before is being worked on. Who sent it would take this for its answer, so it hears that one first.
    response.once('finish', () => refuse(socket, undefined, problem));
    return;
  }
  const isAnswered = response && !response.req.complete && response.headersSent;
  if (!socket.writable || isAnswered) {
    socket.destroy();
    return;
  }
  const { status, headers, body } = anonymousProblem(problem);
  const lines = Object.entries({ ...headers, Connection: 'close' }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  );
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${body}`, () =>
    socket.destroy(),
  );
}

const tooSlow: Problem = {
  code: 'invalid_request',
  status: 408,
  message: 'the request did not arrive in time',
};
const unreadable: Problem = { code: 'invalid_request', message: 'the request is not HTTP' };
const unmet: Problem = {
  code: 'invalid_request',
  status: 417,
  message: 'the expectation of the request is not known',
};
/** What Node says of a request that it gives up, by the code of its error; whatever else is no HTTP. */
const broken: Record<string, Problem> = {
  HPE_HEADER_OVERFLOW: {
    code: 'invalid_request',
    status: 431,
    message: 'the address and the headers of the request are too large',
  },
  HPE_CHUNK_EXTENSIONS_OVERFLOW: {
    code: 'payload_too_large',
    message: 'the chunks of the body are described at too great a length',
  },
  ERR_HTTP_REQUEST_TIMEOUT: tooSlow,
};
