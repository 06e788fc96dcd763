import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { findLines, readFiles, root, type TextFile } from './files.ts';
import { measureFunctions } from './functions.ts';
import { hostedPackages, type Lock, missingPackages } from './lock.ts';
import { findBrokenReferences } from './references.ts';
import { banned, emptyNames, machinePath, registryHost } from './vocabulary.ts';

const limits = {
  fileLines: 400,
  /** Cases are looked up and not read from the first to the last. */
  testFileLines: 600,
  functionOwnLines: 80,
  architectureLines: 250,
  contributingLines: 120,
} as const;

const files = readFiles();
const paths = files.map(file => file.path);
const written = files.filter(({ path }) => path !== 'package-lock.json');
/** What says how the rules are broken may break them. */
const judged = written.filter(({ path }) => !path.startsWith('tidy/'));
const code = written.filter(({ path }) => /\.(?:ts|mjs|cjs)$/.test(path));
/** Written by libs/db/write-schema.ts. */
const generated = 'libs/db/schema.sql';

describe('documents', () => {
  const documents = ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md'].filter(path =>
    existsSync(join(root, path)),
  );

  test.each(documents)('%s names only what exists', path => {
    const known = { paths, scripts: readScripts(), commands: readCommands() };
    expect(findBrokenReferences(fileAt(path), known)).toEqual([]);
  });

  test('the settings that documents name exist', () => {
    const sources = judged.filter(({ path }) => !path.endsWith('.md')).map(({ text }) => text);
    const names = documents.flatMap(path => [
      ...fileAt(path).text.matchAll(/`([A-Z][A-Z0-9]*_[A-Z0-9_]+)\b/g),
    ]);
    expect(
      names.map(([, name]) => name).filter(name => !sources.some(text => text.includes(`${name}`))),
    ).toEqual([]);
  });

  test('ARCHITECTURE.md and CONTRIBUTING.md stay short enough to be read', () => {
    const length = (path: string) => files.find(file => file.path === path)?.lines.length ?? 0;
    expect(length('ARCHITECTURE.md')).toBeLessThan(limits.architectureLines);
    expect(length('CONTRIBUTING.md')).toBeLessThan(limits.contributingLines);
  });
});

describe('size', () => {
  test(`no file has more than ${limits.fileLines} lines, no test file more than ${limits.testFileLines}`, () => {
    const long = [...code, ...judged.filter(({ path }) => isStatement(path))].filter(
      ({ path, lines }) =>
        lines.length > (/\.test(?:suite)?\.ts$/.test(path) ? limits.testFileLines : limits.fileLines),
    );
    expect(long.map(({ path, lines }) => `${path}: ${lines.length}`)).toEqual([]);
  });

  test(`no function has more than ${limits.functionOwnLines} lines of its own`, () => {
    const long = code.flatMap(file =>
      measureFunctions(file)
        .filter(({ ownLines }) => ownLines > limits.functionOwnLines)
        .map(({ name, line, ownLines }) => `${file.path}:${line} ${name}: ${ownLines}`),
    );
    expect(long).toEqual([]);
  });
});

describe('words', () => {
  // In documents, words in backticks are spoken about and not used.
  const spoken = judged.map(file => (file.path.endsWith('.md') ? withoutQuotes(file) : file));

  test.each(banned)('$pattern: $instead', ({ pattern }) => {
    expect(findLines(spoken, pattern)).toEqual([]);
  });

  test('files and folders are kebab-case and say what is in them', () => {
    const bad = paths.filter(path =>
      path.split('/').some(name => {
        const [stem = ''] = name.replace(/^\./, '').split('.');
        return emptyNames.test(stem) || !/^(?:[a-z0-9]+(?:[-_][a-z0-9]+)*|[A-Z]+|Dockerfile)$/.test(stem);
      }),
    );
    expect(bad).toEqual([]);
  });
});

describe('places', () => {
  test('no folder of somebody else’s machine', () => {
    expect(findLines(judged, machinePath)).toEqual([]);
  });

  test('no package registry is named', () => {
    expect(findLines(judged, registryHost)).toEqual([]);
    expect(hostedPackages(readLock())).toEqual([]);
  });

  test('the lock file has the packages of every platform (see complete-lock.ts)', () => {
    expect(missingPackages(readLock()).map(({ name }) => name)).toEqual([]);
  });
});

describe('code', () => {
  test('no test is left out: only, skip and todo', () => {
    expect(findLines(code, /\b(?:test|it|describe|suite)(?:\.\w+)*\.(?:only|skip|todo|fails)\b/)).toEqual([]);
  });

  test('the environment is read in apps/config.ts; tests may ask whether this is CI', () => {
    const mayRead =
      /^apps\/config\.ts$|^loadtest\/find-k6\.ts$|^vitest\.config\.ts$|\.test\.ts$|\/testing[\w-]*\.ts$/;
    const others = code.filter(({ path }) => !mayRead.test(path) && !path.startsWith('tidy/'));
    expect(findLines(others, /process\.env(?!\.CI\b)/)).toEqual([]);
  });

  test('every SQL and Lua file opens with what it does', () => {
    const bare = judged.filter(({ path, lines }) => isStatement(path) && !/^-- \S/.test(lines[0] ?? ''));
    expect(bare.map(({ path }) => path)).toEqual([]);
  });
});

function isStatement(path: string): boolean {
  return /\.(?:sql|lua)$/.test(path) && path !== generated;
}

function fileAt(path: string): TextFile {
  const file = files.find(candidate => candidate.path === path);
  if (!file) throw new Error(`${path} is missing`);
  return file;
}

function withoutQuotes(file: TextFile): TextFile {
  return { ...file, lines: file.lines.map(line => line.replaceAll(/`[^`]*`/g, '``')) };
}

function readLock(): Lock {
  return JSON.parse(fileAt('package-lock.json').text) as Lock;
}

/** npm scripts by workspace folder. */
function readScripts(): Record<string, Record<string, string>> {
  const manifests = files.filter(({ path }) => basename(path) === 'package.json');
  return Object.fromEntries(
    manifests.map(({ path, text }) => [
      path.replace(/\/?package\.json$/, ''),
      JSON.parse(text).scripts ?? {},
    ]),
  );
}

/** Commands of the command line, from the calls that declare them. */
function readCommands(): string[] {
  const sources = files.filter(({ path }) => path.startsWith('apps/cli/'));
  return sources.flatMap(({ text }) =>
    [...text.matchAll(/\.command\('([a-z-]+)/g)].map(match => match[1] ?? ''),
  );
}
