import { execFileSync, spawnSync } from 'node:child_process';
import { chownSync, lstatSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

type Ids = { uid: number; gid: number };

/**
 * How to run a program as the user who may own a Postgres: a prefix to put before it, and ids for
 * spawn. `owner` is that user, undefined when it is ourselves.
 */
export type RunAs = { prefix: string[]; ids: Partial<Ids>; owner: Ids | undefined };

/** As ourselves: everywhere but under root. */
const ourselves: RunAs = { prefix: [], ids: {}, owner: undefined };

/**
 * Postgres refuses to run as root. As root this hands `dir` (which must exist) to another user, the
 * one it belongs to already, else `postgres`, else `nobody`, and returns how to run programs as that user.
 * @throws Error naming the folder when that user cannot get there in any way
 */
export function chooseUser(dir: string, initdb: string): RunAs {
  if (process.getuid?.() !== 0) return ourselves;
  const ids = ownerOf(dir) ?? idsOf('postgres') ?? idsOf('nobody');
  if (!ids)
    throw new Error('Postgres does not run as root, and there is neither a user postgres nor nobody.');
  try {
    chownAll(dir, ids);
  } catch (error) {
    throw cannot(dir, ids, error);
  }
  const direct: RunAs = { prefix: [], ids, owner: ids };
  const closed = closedTo(direct, dir, initdb);
  if (!closed) return direct;
  // A folder above is closed to that user (a checkout under /root, say). The capability to pass any
  // folder survives in the "ambient" set of a process that is not root.
  const passing: RunAs = { prefix: setpriv(ids), ids: {}, owner: ids };
  if (!closedTo(passing, dir, initdb)) return passing;
  throw cannot(closed.path, ids, closed.error);
}

function cannot(path: string, { uid }: Ids, cause: unknown): Error {
  return new Error(
    `As root, Postgres runs as another user (uid ${uid}), and that user cannot use ${path}: ` +
      'set DATA_DIR to a folder outside of closed ones like /root, or run as another user than root.',
    { cause },
  );
}

/**
 * `no_setuid_fixup` makes access() respect the capability: without it that call drops the capabilities
 * of everybody but root, and Postgres asks it whether it can read its own program.
 */
function setpriv({ uid, gid }: Ids): string[] {
  const who = [`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', '--securebits=+no_setuid_fixup'];
  return ['setpriv', ...who, '--inh-caps=+dac_override', '--ambient-caps=+dac_override', '--'];
}

/** Which of the two cannot be used; found by trying, because modes do not tell about ACLs and mounts. */
function closedTo(
  { prefix, ids }: RunAs,
  dir: string,
  initdb: string,
): { path: string; error: unknown } | undefined {
  // --show makes initdb look for everything it needs and change nothing.
  const script = 'cd "$1" || exit 3; "$2" --show --locale=C -D "$1" || exit 4';
  const [command = '', ...rest] = [...prefix, '/bin/sh', '-c', script, 'sh', dir, initdb];
  const { status, error } = spawnSync(command, rest, { ...ids, cwd: '/', stdio: 'ignore' });
  if (status === 0) return undefined;
  return { path: status === 4 ? initdb : dir, error };
}

function ownerOf(dir: string): Ids | undefined {
  const { uid, gid } = statSync(dir);
  return uid === 0 ? undefined : { uid, gid };
}

function idsOf(user: string): Ids | undefined {
  try {
    const [uid, gid] = ['-u', '-g'].map(flag =>
      Number(execFileSync('id', [flag, user], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })),
    );
    return uid && gid ? { uid, gid } : undefined;
  } catch {
    return undefined;
  }
}

function chownAll(path: string, ids: Ids): void {
  const stat = lstatSync(path);
  if (stat.isDirectory()) for (const name of readdirSync(path)) chownAll(join(path, name), ids);
  if (stat.isSymbolicLink() || (stat.uid === ids.uid && stat.gid === ids.gid)) return;
  chownSync(path, ids.uid, ids.gid);
}
