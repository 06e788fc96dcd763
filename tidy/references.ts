import type { TextFile } from './files.ts';

/** What the references of a document may point to. */
export type Known = {
  /** Every file, from the root, with forward slashes. */
  paths: string[];
  /** npm scripts by workspace folder; the root's is `''`. */
  scripts: Record<string, Record<string, string>>;
  /** Commands of the command line `claimline`. */
  commands: string[];
};

const fileName = /^(?:[\w.*-]+\.(?:ts|mjs|cjs|sql|lua|md|json|yml)|\.env\.\w+)$/;

/**
 * The references of a Markdown document that lead nowhere: paths, npm scripts and claimline commands in
 * backticks or code blocks, and links to files.
 */
export function findBrokenReferences(
  { path, text }: Pick<TextFile, 'path' | 'text'>,
  known: Known,
): string[] {
  const spans = [...text.matchAll(/```[^\n]*\n(.*?)```|`([^`\n]+)`/gs)].map(
    match => match[1] ?? match[2] ?? '',
  );
  const links = [...text.matchAll(/\]\((?!\w+:|#)([^)#\s]+)/g)].map(match => match[1] ?? '');
  const folders = new Set(known.paths.flatMap(file => file.split('/').slice(0, -1)));
  const broken = [
    ...spans.flatMap(span =>
      span.split(/[\s"'();]+|,(?![^{]*\})/).filter(word => isMissing(word, folders, known.paths)),
    ),
    ...links.filter(link => !exists(link.replace(/^\.\//, ''), known.paths)),
    ...spans.flatMap(span => missingCommands(span, known)),
  ];
  return [...new Set(broken)].map(reference => `${path}: ${reference}`);
}

/** True of a word that looks like a path or a package of this repository and is none. */
function isMissing(word: string, folders: Set<string>, paths: string[]): boolean {
  const path = word
    .replace(/^\.\//, '')
    .replace(/[:.]+$/, '')
    .replace(/^@claimline\//, 'libs/')
    .replaceAll(/<[^>]*>/g, '*');
  const looksLikeOne = (path.includes('/') && folders.has(path.split('/')[0] ?? '')) || fileName.test(path);
  return looksLikeOne && !exists(path, paths);
}

/** Whether a file or folder has the path, or ends with it, or is the package's entry. `*` stands for any name. */
function exists(path: string, paths: string[]): boolean {
  const pattern = path
    .replace(/\/$/, '')
    .replaceAll(/[.+?^$()[\]\\|]/g, '\\$&')
    .replaceAll(/\{([^}]*)\}/g, (_, names: string) => `(?:${names.replaceAll(',', '|')})`)
    .replaceAll(/\*+/g, '[^/]*');
  const wanted = new RegExp(`(?:^|/)${pattern}(?:/|\\.ts$|$)`);
  return paths.some(file => wanted.test(file));
}

function missingCommands(span: string, { scripts, commands }: Known): string[] {
  const npm = [...span.matchAll(/\bnpm (?:(run) (?:-s )?)?([\w:.-]+)([^\n]*)/g)].flatMap(
    ([text, run, name = '', rest = '']) => {
      if (!run && name !== 'test' && name !== 'start') return [];
      const workspace = /(?:-w|--workspace|--prefix)[ =]([\w/-]+)/.exec(rest)?.[1] ?? '';
      return scripts[workspace]?.[name] === undefined ? [text.trim()] : [];
    },
  );
  const claimline = [...span.matchAll(/\b(?:npx|bin\/) ?claimline ([a-z-]+)/g)].flatMap(
    ([text, name = '']) => (commands.includes(name) ? [] : [text]),
  );
  return [...npm, ...claimline];
}
