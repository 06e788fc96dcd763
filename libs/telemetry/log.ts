import { pause } from '@claimline/kernel/backoff';
import { destination, type Logger, pino, stdSerializers, stdTimeFunctions } from 'pino';
import { metrics } from './metrics.ts';

export type { Logger };

export const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

const logLimits = {
  /** Lines are written together once this many bytes are waiting, or after the flush time. */
  batchBytes: 8 * 1024,
  flushMs: 100,
  /** Where nobody reads standard output so much waits; whatever comes then is dropped, and counted. */
  waitingBytes: 16 * 1024 * 1024,
  /** At the end a reader that takes nothing for so long is not waited for. */
  stalledMs: 1000,
} as const;

/** What is said of an error besides its type, message and stack: codes, and where in the database it was. */
const told = [
  'code',
  'syscall',
  'address',
  'port',
  'severity',
  'detail',
  'schema_name',
  'table_name',
  'constraint_name',
];

/**
 * An error as the log has it. The clients of the stores hang on their errors what they were doing: ioredis the whole
 * command, which is 40 kB of tickets for a train of claims, and the password where it was that which was refused.
 */
export function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { type, message, stack } = stdSerializers.err(error);
  const own = told.flatMap(key => (key in error ? [[key, (error as never)[key]]] : []));
  return { type, message, stack, ...Object.fromEntries(own) };
}

/**
 * JSON lines on standard output; `service` names the process. They are written beside the event loop, in batches, so
 * `flush` before exit: it answers false where the reader stands still. Then a thread waits for it, as would
 * `process.exit`.
 */
export function createLog(service: string, level: LogLevel): { log: Logger; flush: () => Promise<boolean> } {
  const { batchBytes: minLength, waitingBytes: maxLength, flushMs, stalledMs } = logLimits;
  const stream = destination({ dest: 1, sync: false, minLength, maxLength });
  stream.on('drop', () => metrics.logLinesDropped.inc());
  let written = 0;
  stream.on('write', bytes => {
    written += bytes;
  });
  const log = pino(
    {
      level,
      base: { service, pid: process.pid },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: label => ({ level: label }) },
      serializers: { err: describeError },
      redact: { paths: ['*.password', '*.secret', '*.authorization'], censor: '[hidden]' },
    },
    // Not the stream itself, which at a fatal line would wait for a reader that stands still.
    { write: line => stream.write(line) },
  );
  setInterval(() => stream.flush(), flushMs).unref();

  /** Resolves when what is under way is written, or the reader is gone: then there is nobody left to tell. */
  const drained = () =>
    new Promise<void>(resolve => {
      try {
        stream.flush(() => resolve());
      } catch {
        resolve();
      }
    });
  return {
    log,
    async flush() {
      // A batch that is under way is written without what came meanwhile.
      const isDone = drained()
        .then(drained)
        .then(() => true);
      for (let before = -1; before !== written; ) {
        before = written;
        if (await Promise.race([isDone, pause(stalledMs).then(() => false)])) return true;
      }
      return false;
    },
  };
}
