import { AppError } from '@claimline/kernel/error';
import type { GivenCode } from './upload.ts';

export const csvLimits = {
  /** The largest CSV body: a million of the longest codes and then some. */
  bytesMost: 128 * 1024 * 1024,
  /** A longer line holds no code. */
  lineMost: 1024,
} as const;

/**
 * The codes of a CSV text, line by line as it arrives: the first field of each line, quoted or not. Empty
 * lines and a first line that reads `code` are passed over.
 *
 * @throws AppError `payload_too_large`, `invalid_request` for a line without an end
 */
export async function* readCsv(chunks: AsyncIterable<Buffer>): AsyncGenerator<GivenCode> {
  let line = 0;
  for await (const text of linesOf(chunks)) {
    line++;
    const field = firstField(text);
    const isHeading = line === 1 && /^codes?$/i.test(field);
    if (field !== '' && !isHeading) yield { text: field, place: `line ${line}` };
  }
}

async function* linesOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<string> {
  // Any byte is a character here, and what is no ASCII is refused later: no character can be cut in two.
  let rest = '';
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.length;
    if (bytes > csvLimits.bytesMost)
      throw new AppError('payload_too_large', `the body is larger than ${csvLimits.bytesMost} bytes`);
    const lines = (rest + chunk.toString('latin1')).split('\n');
    rest = lines.pop() as string;
    if (rest.length > csvLimits.lineMost)
      throw new AppError(
        'invalid_request',
        `invalid request: a line is longer than ${csvLimits.lineMost} bytes`,
      );
    yield* lines;
  }
  if (rest !== '') yield rest;
}

function firstField(line: string): string {
  const text = line.replace(/^\xef\xbb\xbf/, '').trim();
  const quoted = /^"((?:[^"]|"")*)"/.exec(text)?.[1];
  return (quoted?.replaceAll('""', '"') ?? text.split(/[,;]/, 1)[0] ?? '').trim();
}
