import { destination, type Logger, pino, stdSerializers, stdTimeFunctions } from 'pino';

export type { Logger };

export const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

/** Lines are written together once this many bytes are waiting, or after the flush time. */
const BUFFER_BYTES = 8 * 1024;
const FLUSH_MS = 100;

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

/** JSON lines on standard output; `service` names the process. Buffered: `flush` before exit. */
export function createLog(service: string, level: LogLevel): { log: Logger; flush: () => void } {
  const stream = destination({ dest: 1, sync: false, minLength: BUFFER_BYTES });
  const log = pino(
    {
      level,
      base: { service, pid: process.pid },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: label => ({ level: label }) },
      serializers: { err: describeError },
      redact: { paths: ['*.password', '*.secret', '*.authorization'], censor: '[hidden]' },
    },
    stream,
  );
  setInterval(() => stream.flush(), FLUSH_MS).unref();
  return {
    log,
    flush() {
      try {
        stream.flushSync();
      } catch {
        // Nothing was written yet, or the reader is gone: there is nobody left to tell.
      }
    },
  };
}
