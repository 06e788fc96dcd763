/** An entry of package-lock.json, as far as it matters here. */
type Entry = {
  version?: string;
  resolved?: string;
  dev?: boolean;
  optional?: boolean;
  optionalDependencies?: Record<string, string>;
  [other: string]: unknown;
};
export type Lock = { packages: Record<string, Entry>; [other: string]: unknown };

/**
 * Optional packages that a lock file should list and does not: mostly builds for other platforms, which
 * npm leaves out when its registry or its node_modules has those of this platform only. `npm ci` then
 * refuses the lock file, on every platform.
 */
export function missingPackages(lock: Lock): { name: string; version: string; dev: boolean }[] {
  const found = Object.entries(lock.packages).flatMap(([path, entry]) =>
    Object.entries(entry.optionalDependencies ?? {})
      .filter(([name]) => !placesOf(path, name).some(place => lock.packages[place]))
      .map(([name, version]) => ({ name, version, dev: entry.dev === true })),
  );
  return [...new Map(found.map(missing => [missing.name, missing])).values()];
}

/** Where Node finds `name` from the package at `path`: its own node_modules, then each one above. */
function placesOf(path: string, name: string): string[] {
  const parts = path === '' ? [] : path.split('/');
  const above = parts.map((_, index) => parts.slice(0, parts.length - index).join('/'));
  return [...above, ''].map(folder => `${folder}${folder && '/'}node_modules/${name}`);
}

/** Entries whose package comes from a named host; which registry is asked is each machine's own business. */
export function hostedPackages(lock: Lock): string[] {
  return Object.entries(lock.packages)
    .filter(([, entry]) => entry.resolved?.includes('://'))
    .map(([path]) => path);
}
