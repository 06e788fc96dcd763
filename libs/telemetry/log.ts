import { destination, type Logger, pino, stdTimeFunctions } from 'pino';

export type { Logger };

export const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

/** Lines are written together once this many bytes are waiting, or after the flush time. */
const BUFFER_BYTES = 8 * 1024;
const FLUSH_MS = 100;

/** JSON lines on standard output; `service` names the process. Buffered: `flush` before exit. */
export function createLog(service: string, level: LogLevel): { log: Logger; flush: () => void } {
  const stream = destination({ dest: 1, sync: false, minLength: BUFFER_BYTES });
  const log = pino(
    {
      level,
      base: { service, pid: process.pid },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: label => ({ level: label }) },
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
