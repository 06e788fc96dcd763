import ts from 'typescript';
import type { TextFile } from './files.ts';

/** A function's own length: its lines without what stands inside the functions within it. */
export type Measured = { name: string; line: number; ownLines: number };

/** Measures every function of a TypeScript or JavaScript file, but for those that `describe` is given. */
export function measureFunctions({ path, text }: Pick<TextFile, 'path' | 'text'>): Measured[] {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const measured: Measured[] = [];

  const lineOf = (position: number) => source.getLineAndCharacterOfPosition(position).line;

  function visit(node: ts.Node, name: string): void {
    const ownName = nameOf(node) ?? name;
    if (ts.isFunctionLike(node) && 'body' in node && node.body && !isSuite(node)) {
      const [first, last] = [lineOf(node.getStart(source)), lineOf(node.end)];
      measured.push({ name: ownName, line: first + 1, ownLines: last - first + 1 - nestedLines(node) });
    }
    ts.forEachChild(node, child => visit(child, ownName));
  }

  /** Lines strictly inside the outermost functions within a node: their first and last are its own. */
  function nestedLines(node: ts.Node): number {
    let lines = 0;
    ts.forEachChild(node, child => {
      if (ts.isFunctionLike(child))
        lines += Math.max(0, lineOf(child.end) - lineOf(child.getStart(source)) - 1);
      else lines += nestedLines(child);
    });
    return lines;
  }

  visit(source, 'the file');
  return measured;
}

/** True of what `describe` is given: it only holds tests together. */
function isSuite({ parent }: ts.Node): boolean {
  return ts.isCallExpression(parent) && parent.expression.getText().startsWith('describe');
}

/** A declaration's own name; a call's is that of what it calls, for the functions it is given. */
function nameOf(node: ts.Node): string | undefined {
  const name = ts.isCallExpression(node) ? node.expression : (node as { name?: ts.Node }).name;
  if (name && ts.isPropertyAccessExpression(name)) return name.name.text;
  return name && ts.isIdentifier(name) ? name.text : undefined;
}
