/** One HTTP/1.1 answer found at the start of some bytes. */
export type Answer = {
  status: number;
  /** Where the body begins, in bytes. */
  bodyOffset: number;
  /** Head and body together, in bytes. */
  length: number;
  /** The server closes the connection after this answer. */
  closes: boolean;
};

const HEAD_END = Buffer.from('\r\n\r\n');
const CRLF = Buffer.from('\r\n');
const CONTENT_LENGTH = /\r\ncontent-length: *(\d+)/i;
const CHUNKED = /\r\ntransfer-encoding: *chunked/i;
const CONNECTION_CLOSE = /\r\nconnection: *close/i;

/**
 * Measures the answer that `bytes` begin with; undefined while it is not complete.
 * Understands Content-Length, chunked and bodiless answers, which is all that a keep-alive server sends.
 * Throws when the bytes are not such an answer.
 */
export function measureAnswer(bytes: Buffer): Answer | undefined {
  const headEnd = bytes.indexOf(HEAD_END);
  if (headEnd < 0) return undefined;
  const head = bytes.toString('latin1', 0, headEnd);
  if (!head.startsWith('HTTP/1.1 ')) throw new Error(`not an HTTP/1.1 answer: ${head.slice(0, 80)}`);
  const status = Number(head.slice(9, 12));
  const bodyOffset = headEnd + HEAD_END.length;
  const bodyLength = measureBody(bytes, head, status, bodyOffset);
  if (bodyLength === undefined || bodyOffset + bodyLength > bytes.length) return undefined;
  return { status, bodyOffset, length: bodyOffset + bodyLength, closes: CONNECTION_CLOSE.test(head) };
}

function measureBody(bytes: Buffer, head: string, status: number, bodyOffset: number): number | undefined {
  if (status === 204 || status === 304) return 0;
  const contentLength = CONTENT_LENGTH.exec(head);
  if (contentLength) return Number(contentLength[1]);
  if (CHUNKED.test(head)) return measureChunks(bytes, bodyOffset);
  throw new Error(`an answer ${status} without a length`);
}

/** The bytes of all chunks, sizes and trailers included; undefined while the last chunk has not come. */
function measureChunks(bytes: Buffer, bodyOffset: number): number | undefined {
  let offset = bodyOffset;
  for (;;) {
    const sizeEnd = bytes.indexOf(CRLF, offset);
    if (sizeEnd < 0) return undefined;
    const size = Number.parseInt(bytes.toString('latin1', offset, sizeEnd), 16);
    if (Number.isNaN(size)) throw new Error('a chunk without a size');
    const dataOffset = sizeEnd + CRLF.length;
    if (size === 0) return measureTrailers(bytes, dataOffset, bodyOffset);
    offset = dataOffset + size + CRLF.length;
    if (offset > bytes.length) return undefined;
  }
}

function measureTrailers(bytes: Buffer, trailersOffset: number, bodyOffset: number): number | undefined {
  let offset = trailersOffset;
  for (;;) {
    const lineEnd = bytes.indexOf(CRLF, offset);
    if (lineEnd < 0) return undefined;
    if (lineEnd === offset) return lineEnd + CRLF.length - bodyOffset;
    offset = lineEnd + CRLF.length;
  }
}
