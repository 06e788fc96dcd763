import { randomBytes } from 'node:crypto';
import {
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { findBinaries } from './embedded-binaries.ts';
import { chooseUser, type RunAs } from './embedded-user.ts';
import { type Cluster, runToEnd } from './postmaster.ts';

/**
 * Finds the cluster in `<dataDir>/postgres`, or creates it, with its password in a file beside it.
 * @param durable false leaves out the fsync of a new cluster (tests)
 */
export async function openCluster(
  dataDir: string,
  durable: boolean,
): Promise<Cluster & { password: string }> {
  const { initdb, pgCtl, postgres } = await findBinaries();
  const place = join(dataDir, 'postgres');
  const passwordFile = join(dataDir, 'postgres.password');
  const runAs = existsSync(join(place, 'PG_VERSION'))
    ? chooseUser(place, initdb)
    : createCluster({ initdb, place, passwordFile, durable });
  if (!existsSync(passwordFile))
    throw new Error(`The password of ${place} is gone: put it back into ${passwordFile}.`);
  return {
    dir: realpathSync(place),
    logFile: join(dataDir, 'postgres.log'),
    postgres,
    pgCtl,
    runAs,
    password: readFileSync(passwordFile, 'utf8').trim(),
  };
}

/**
 * A cluster is made beside its place and moved there when it is whole: a start that was killed half
 * way leaves nothing that looks like a cluster.
 */
function createCluster(args: {
  initdb: string;
  place: string;
  passwordFile: string;
  durable: boolean;
}): RunAs {
  const draft = `${args.place}.new`;
  rmSync(draft, { recursive: true, force: true });
  mkdirSync(draft, { mode: 0o700 });
  const runAs = chooseUser(draft, args.initdb);
  writeFileSync(args.passwordFile, randomBytes(24).toString('base64url'), { mode: 0o600 });
  if (runAs.owner) chownSync(args.passwordFile, runAs.owner.uid, runAs.owner.gid);
  // Postgres' own C.UTF-8 sorts and folds case the same on every system, installed locales or not.
  const locale = ['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'];
  const access = ['--username=postgres', '--auth=scram-sha-256', `--pwfile=${args.passwordFile}`];
  const speed = args.durable ? [] : ['--no-sync'];
  runToEnd(runAs, args.initdb, ['-D', draft, ...locale, ...access, ...speed]);
  renameSync(draft, args.place);
  return runAs;
}
