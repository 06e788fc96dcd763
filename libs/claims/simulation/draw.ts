/**
 * A number in 0..1 that belongs to what is named, the same for the same seed. It does not depend on how
 * much was drawn before, so that a run stays the same up to where a step of it was left out.
 */
export function draw(seed: number, ...what: (string | number)[]): number {
  let hash = seed ^ 0x9e3779b9;
  for (const part of what) {
    const text = typeof part === 'number' ? String.fromCharCode(part & 0xffff) : part;
    for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
    hash = Math.imul(hash ^ 0xff, 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}
