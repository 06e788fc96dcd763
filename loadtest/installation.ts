import { join } from 'node:path';
import { closePool, openPool } from '@claimline/db/pool';
import { runToEnd } from './process.ts';
import type { Stack, Stores } from './stack.ts';

/** How many processes an installation of Claimline has, and settings of theirs that differ from the default. */
export type InstallationPlan = { apis: number; workers: number; env?: Record<string, string> };

/** As in `npm run api` and in the image, which the system tests run as well; the baselines over HTTP have them too, or it would be Node that is compared. */
export const API_FLAGS = ['--max-semi-space-size=64'];

/**
 * Migrates the stores and starts Claimline's processes on them, as `stack.urls[name]`. The processes of the
 * first, `claimline`, are called `api` and `worker`; others' begin with their name.
 */
export async function addInstallation(
  stack: Stack,
  name: string,
  { apis, workers, env: settings }: InstallationPlan,
  stores: Stores,
): Promise<void> {
  const env = {
    DATABASE_URL: stores.databaseUrl,
    REDIS_URL: stores.redisUrl,
    RATE_LIMITS: 'off',
    DATA_DIR: join(stack.folder, 'data'),
    ...settings,
  };
  const prefix = name === 'claimline' ? '' : `${name}-`;
  const migrate = ['--import', 'tsx', 'apps/cli/main.ts', 'migrate'];
  await runToEnd({ name: 'migrate', command: process.execPath, args: migrate, env, folder: stack.folder });
  stack.stores[name] = stores;
  for (const worker of numbered(`${prefix}worker`, workers))
    await stack.addNode(worker, ['apps/worker/main.ts'], env);
  const urls: string[] = [];
  for (const api of numbered(`${prefix}api`, apis))
    urls.push(await stack.addServer(api, () => [...API_FLAGS, 'apps/api/main.ts'], env));
  stack.urls[name] = urls;
}

/**
 * A further installation on the same Postgres and Redis, with a database of its own in each, so that it can be
 * measured in turns with the first: nothing that one of them does reaches the other but by the machine.
 */
export async function addNeighbor(stack: Stack, name: string, plan: InstallationPlan): Promise<void> {
  const { databaseUrl, redisUrl } = stack.stores.claimline!;
  const sql = openPool({ url: databaseUrl, applicationName: 'load', max: 1, statementTimeoutMs: 0 });
  await sql`create database ${sql(name)}`.finally(() => closePool(sql, 1));
  const stores = {
    databaseUrl: withPath(databaseUrl, name),
    redisUrl: withPath(redisUrl, databaseNumber(stack)),
  };
  await addInstallation(stack, name, plan, stores);
}

function databaseNumber(stack: Stack): string {
  return String(Object.keys(stack.stores).length);
}

function withPath(url: string, path: string): string {
  const changed = new URL(url);
  changed.pathname = `/${path}`;
  return changed.toString();
}

function numbered(name: string, count: number): string[] {
  return count === 1 ? [name] : Array.from({ length: count }, (_, index) => `${name}-${index + 1}`);
}
