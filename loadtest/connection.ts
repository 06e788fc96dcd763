import { connect, type Socket } from 'node:net';
import { type Answer, measureAnswer } from './answer.ts';

export type Target = { host: string; port: number };

/** One keep-alive connection with at most one request in flight. */
export type Connection = {
  /** Sends a whole request. The bytes must stay as they are until its answer comes. */
  send(request: Buffer): void;
  close(): void;
};

export type ConnectionEvents = {
  onReady: (connection: Connection) => void;
  /** `bytes` hold the answer and are overwritten afterwards. */
  onAnswer: (connection: Connection, answer: Answer, bytes: Buffer) => void;
  /** The connection is gone; `inFlight` tells whether it took a request with it. */
  onLost: (connection: Connection, inFlight: boolean, error: Error | undefined) => void;
};

const READ_BUFFER_BYTES = 64 * 1024;
const ANSWER_LIMIT_BYTES = 4 * 1024 * 1024;

// Shared by all connections: a read is handled to its end before the next one starts.
const readBuffer = Buffer.allocUnsafe(READ_BUFFER_BYTES);

/** Opens a connection; every event after `close()` is swallowed. */
export function openConnection(target: Target, events: ConnectionEvents): Connection {
  let inFlight = false;
  let closed = false;
  let held: Buffer | undefined;
  let failure: Error | undefined;

  const connection: Connection = {
    send(request) {
      inFlight = true;
      socket.write(request);
    },
    close() {
      closed = true;
      socket.destroy();
    },
  };

  function read(length: number): boolean {
    if (closed) return false;
    const arrived = readBuffer.subarray(0, length);
    const bytes = held ? Buffer.concat([held, arrived]) : arrived;
    try {
      take(bytes);
    } catch (error) {
      socket.destroy(error as Error);
    }
    return true;
  }

  function take(bytes: Buffer): void {
    const answer = measureAnswer(bytes);
    if (!answer) {
      if (bytes.length > ANSWER_LIMIT_BYTES) throw new Error(`an answer over ${ANSWER_LIMIT_BYTES} bytes`);
      held = Buffer.from(bytes);
      return;
    }
    if (!inFlight || answer.length !== bytes.length) throw new Error('bytes that no request asked for');
    held = undefined;
    inFlight = false;
    events.onAnswer(connection, answer, bytes);
  }

  const socket: Socket = connect({
    ...target,
    noDelay: true,
    onread: { buffer: readBuffer, callback: read },
  });
  socket.on('connect', () => !closed && events.onReady(connection));
  socket.on('error', error => {
    failure = error;
  });
  socket.on('close', () => !closed && events.onLost(connection, inFlight, failure));
  return connection;
}
