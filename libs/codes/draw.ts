import { randomFillSync } from 'node:crypto';
import type { Recipe } from './recipe.ts';

/** Random bytes drawn at once: it is the call that costs, not the bytes. */
const DRAWN_AT_ONCE = 64 * 1024;

/** Draws codes by a recipe, each character equally likely, from the system's cryptographic source. */
export function createDraw(recipe: Recipe): () => string {
  const bytes = Buffer.alloc(DRAWN_AT_ONCE);
  let next = bytes.length;

  /** A number below `limit`. Bytes beyond the last whole multiple of it would favour some, and are drawn again. */
  function below(limit: number): number {
    const most = 256 - (256 % limit);
    for (;;) {
      if (next === bytes.length) {
        randomFillSync(bytes);
        next = 0;
      }
      const byte = bytes[next++] as number;
      if (byte < most) return byte % limit;
    }
  }

  return () => {
    let code = '';
    for (const characters of recipe)
      code += characters.length === 1 ? characters : characters[below(characters.length)];
    return code;
  };
}

/** Different codes in ascending order: neighbours in an index are written together. */
export function drawMany(draw: () => string, count: number): string[] {
  const codes = new Set<string>();
  // A small space may have fewer left than that; those which are stored already are skipped by the store.
  for (let tries = 0; codes.size < count && tries < 4 * count; tries++) codes.add(draw());
  return [...codes].sort();
}
