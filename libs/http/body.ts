import type { IncomingMessage } from 'node:http';
import { AppError } from '@claimline/kernel/error';
import type { Context } from 'hono';
import { type Env, header } from './scope.ts';

export const bodyLimits = {
  /** The largest JSON body. */
  jsonBytes: 1024 * 1024,
  /** A larger body is read to its end and thrown away up to here, so that the client hears the 413. */
  discardBytes: 32 * 1024 * 1024,
  /**
   * Of bodies that have not come whole, in the whole process. They are in no count of requests, so that who is slow to
   * send takes nobody's place: 3,000 that stop a byte before their end would hold 3 GB.
   */
  receivingBytesMost: 256 * 1024 * 1024,
  /** Levels of JSON within a field: what is far deeper breaks the stack of whoever writes it out again. */
  levelsMost: 100,
} as const;

const JSON_TYPE = /^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i;

/**
 * The request's JSON. A missing content type is taken for JSON, and with `mayBeEmpty` no body for `{}`. Errors: 415
 * for another type, 413 over the limit, 400 `invalid request body` for what is not JSON, 400 naming the field for what is
 * nested too deep.
 */
export async function readJson(
  c: Context<Env>,
  {
    limitBytes = bodyLimits.jsonBytes,
    mayBeEmpty = false,
  }: { limitBytes?: number | undefined; mayBeEmpty?: boolean } = {},
): Promise<unknown> {
  const type = header(c, 'content-type');
  if (type !== undefined && !JSON_TYPE.test(type))
    throw new AppError('unsupported_media_type', 'the content type must be application/json');
  const bytes = await readBytes(c.env.incoming, limitBytes);
  if (mayBeEmpty && bytes.length === 0) return {};
  const body = parseJson(bytes);
  refuseTooDeep(body, bytes.length);
  return body;
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    throw new AppError('invalid_request', 'invalid request body', {
      errors: [{ path: '', message: 'is not JSON' }],
    });
  }
}

function refuseTooDeep(body: unknown, size: number) {
  const { levelsMost } = bodyLimits;
  // A level takes two bytes, so most bodies are too small to be too deep.
  if (size <= 2 * levelsMost || !isNested(body)) return;
  const deep = Object.entries(body).find(([, value]) => isDeeperThan(value, levelsMost));
  if (!deep) return;
  const path = Array.isArray(body) ? '' : deep[0];
  const message = `is nested deeper than ${levelsMost} levels`;
  throw new AppError(
    'invalid_request',
    path === '' ? 'invalid request body' : `invalid request: ${path} ${message}`,
    { errors: [{ path, message }] },
  );
}

/** Level by level, without recursion. */
function isDeeperThan(value: unknown, levels: number): boolean {
  let level = [value];
  for (let depth = 0; depth <= levels; depth++) {
    level = level.filter(isNested).flatMap(Object.values);
    if (level.length === 0) return false;
  }
  return true;
}

function isNested(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

/** The request's body as it was sent, for what is signed as a whole. Error: 413 over the limit. */
export function readRaw(c: Context<Env>, limitBytes: number = bodyLimits.jsonBytes): Promise<Buffer> {
  return readBytes(c.env.incoming, limitBytes);
}

/**
 * Reads Node's request directly: a size limit costs nothing that way, chunked or not. Errors are made
 * only when there is one; every request ends with a `close`.
 */
function readBytes(incoming: IncomingMessage, limitBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let chunks: Buffer[] = [];
    let size = 0;
    let held = 0;
    let isRefused = false;
    function letGo() {
      receivingBytes -= held;
      held = 0;
      chunks = [];
    }
    function keep(chunk: Buffer) {
      if (isRefused) return;
      if (receivingBytes + chunk.length > bodyLimits.receivingBytesMost) {
        isRefused = true;
        letGo();
        reject(tooManyBodies());
        return;
      }
      chunks.push(chunk);
      held += chunk.length;
      receivingBytes += chunk.length;
    }
    incoming.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= limitBytes) keep(chunk);
      else letGo();
      if (size > bodyLimits.discardBytes) reject(tooLarge(limitBytes));
    });
    incoming.on('end', () => {
      if (size > limitBytes) reject(tooLarge(limitBytes));
      else resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, held));
      letGo();
    });
    incoming.on('error', () => reject(cutOff()));
    incoming.on('close', () => {
      letGo();
      if (!incoming.complete) reject(cutOff());
    });
  });
}

/** What all bodies that are on their way hold at this moment. */
let receivingBytes = 0;

function tooManyBodies(): AppError {
  return new AppError('overloaded', 'too much is being sent at this moment, try again', {
    retryAfterSeconds: 2,
  });
}

/** Nobody is left to hear this; it is an error of the client's, not of a store. */
function cutOff(): AppError {
  return new AppError('invalid_request', 'the request was cut off');
}

function tooLarge(limitBytes: number): AppError {
  return new AppError('payload_too_large', `the body is larger than ${limitBytes} bytes`);
}
