import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A text file of this repository; `path` starts at the root and has forward slashes. */
export type TextFile = { path: string; text: string; lines: string[] };

export const root: string = fileURLToPath(new URL('..', import.meta.url));

const notOurs = new Set(['node_modules', '.git', '.data', 'coverage', 'results']);
const texts =
  /(?:\.(?:ts|mjs|cjs|sql|lua|md|json|yml|yaml)|(?:^|\/)(?:Dockerfile|LICENSE|\.\w+(?:\.example)?|\.ci\/\w+))$/;

/** Reads every text file below the root that is ours. */
export function readFiles(): TextFile[] {
  return listFiles('')
    .filter(path => texts.test(path))
    .map(path => {
      const text = readFileSync(join(root, path), 'utf8');
      return { path, text, lines: text.split('\n') };
    });
}

function listFiles(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap(entry => {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    if (notOurs.has(entry.name) || entry.name.endsWith('.log')) return [];
    if (entry.isDirectory()) return listFiles(path);
    return entry.isFile() && entry.name !== '.env' ? [path] : [];
  });
}

/** Where a pattern is found, as `path:line text`. */
export function findLines(files: TextFile[], pattern: RegExp): string[] {
  return files.flatMap(({ path, lines }) =>
    lines.flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1} ${line.trim()}`] : [])),
  );
}
