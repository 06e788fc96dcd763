import { AppError } from '@claimline/kernel/error';
import type { GivenCode } from './upload.ts';

export const csvLimits = {
  /** The largest CSV body: a million of the longest codes and then some. */
  bytesMost: 128 * 1024 * 1024,
  /** A longer line holds no code. */
  lineMost: 1024,
} as const;

/** A first line with only this in its first field is a heading. Its separator is that of the lines below, else it is a comma. */
const HEADING = /^"?codes?"?\s*(?:([,;])|$)/i;

/**
 * The codes of a CSV text, line by line as it arrives: the first field of each line, quoted or not. Empty
 * lines and a heading are passed over. A semicolon may be part of a code, so it separates only where the heading says so.
 *
 * @throws AppError `payload_too_large`, `invalid_request` for a line without an end
 */
export async function* readCsv(chunks: AsyncIterable<Buffer>): AsyncGenerator<GivenCode> {
  let line = 0;
  let separator = ',';
  for await (const raw of linesOf(chunks)) {
    line++;
    const text = (line === 1 ? raw.replace(BYTE_ORDER_MARK, '') : raw).trim();
    const heading = line === 1 ? HEADING.exec(text) : null;
    if (heading) separator = heading[1] ?? separator;
    // A spreadsheet writes its empty rows as separators.
    else if (text.replaceAll(separator, '').trim() !== '')
      yield { place: `line ${line}`, ...firstField(text, separator) };
  }
}

/** That of UTF-8, a character for each byte. */
const BYTE_ORDER_MARK = /^\xef\xbb\xbf/;

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

function firstField(line: string, separator: string): Pick<GivenCode, 'text' | 'fault'> {
  if (!line.startsWith('"')) {
    const text = (line.split(separator, 1)[0] as string).trim();
    return text === '' ? { text, fault: 'has nothing in its first field' } : { text };
  }
  const [, quoted = '', rest] = /^"((?:[^"]|"")*)"\s*(.*)$/.exec(line) ?? [];
  if (rest === undefined) return { text: '', fault: 'has a quote that is not closed' };
  const text = quoted.replaceAll('""', '"').trim();
  return rest === '' || rest.startsWith(separator)
    ? { text }
    : { text, fault: 'has something between a closing quote and the next field' };
}
