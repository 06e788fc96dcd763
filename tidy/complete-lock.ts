import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './files.ts';
import { type Lock, missingPackages } from './lock.ts';

/*
 * Adds to package-lock.json what `missingPackages` finds: `node --import tsx tidy/complete-lock.ts`. A build's
 * platform is read from its name (`@scope/tool-linux-x64-musl`). npm fills in the checksum when it can.
 */

const platform =
  /(aix|android|darwin|freebsd|linux|netbsd|openbsd|openharmony|sunos|win32)-([a-z0-9]+)(?:-(gnu|musl))?/;

const file = join(root, 'package-lock.json');
const lock = JSON.parse(readFileSync(file, 'utf8')) as Lock;

for (const { name, version, dev } of missingPackages(lock)) {
  const [, os, cpu, libc] = platform.exec(name) ?? [];
  if (!os || !/^\d/.test(version)) throw new Error(`${name}@${version} is not a build for one platform`);
  lock.packages[`node_modules/${name}`] = {
    version,
    cpu: [cpu],
    ...(dev && { dev }),
    ...(os === 'linux' && libc && { libc: [libc === 'gnu' ? 'glibc' : libc] }),
    optional: true,
    os: [os],
  };
  process.stdout.write(`added ${name}@${version}\n`);
}

const inOrder = Object.entries(lock.packages).sort(([a], [b]) => a.localeCompare(b, 'en'));
writeFileSync(file, `${JSON.stringify({ ...lock, packages: Object.fromEntries(inOrder) }, null, 2)}\n`);
