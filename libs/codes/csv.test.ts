import { expect, test } from 'vitest';
import { readCsv } from './csv.ts';

/** What a text holds, as it arrives in chunks of so many bytes. */
async function read(text: string, chunkBytes = 1 << 20) {
  const bytes = Buffer.from(text);
  async function* chunks() {
    for (let at = 0; at < bytes.length; at += chunkBytes) yield bytes.subarray(at, at + chunkBytes);
  }
  const given: string[] = [];
  for await (const { text, place, fault } of readCsv(chunks()))
    given.push(fault === undefined ? text : `${place} ${fault}`);
  return given;
}

test.each([
  ['a heading', 'code\nA\n', ['A']],
  ['a heading with others', 'Codes,note\r\nA,x\r\n', ['A']],
  ['a heading with semicolons', '"code";note\nA;x\nB\n', ['A', 'B']],
  ['no heading: a semicolon is part of a code', 'SAVE;10\nB;2,x\n', ['SAVE;10', 'B;2']],
  ['no heading, but a code that begins like one', 'CODE-1\n', ['CODE-1']],
  ['a byte order mark', '\ufeffcode\nA\n', ['A']],
  ['empty lines, and rows of a spreadsheet that are empty', 'A\n\n , ,\nB', ['A', 'B']],
  ['quotes', '"A","x, ""y"""\n" B "\n"C""D"\nE"F\n', ['A', 'B', 'C"D', 'E"F']],
  [
    'what stands behind a quote',
    '"AB"CD\n',
    ['line 1 has something between a closing quote and the next field'],
  ],
  ['a quote without an end', 'A\n"AB\n', ['A', 'line 2 has a quote that is not closed']],
  ['nothing in the first field', 'code\n,X\nB\n', ['line 2 has nothing in its first field', 'B']],
])('%s', async (_, text, given) => {
  expect(await read(text)).toEqual(given);
  expect(await read(text, 1)).toEqual(given);
});
