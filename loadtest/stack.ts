import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '@claimline/db/free-port';
import { type Closers, createClosers } from '@claimline/kernel/closers';
import { API_FLAGS, addInstallation } from './installation.ts';
import { type StartedProcess, startNode, waitUntilReady } from './process.ts';
import { startPostgres, startRedis } from './stores.ts';

export type StackPlan = {
  echo: boolean;
  rowlock: boolean;
  /** Claimline's API processes; 0 leaves Claimline out. */
  apis: number;
  workers: number;
  /** Settings of Claimline's processes that differ from the default. */
  env?: Record<string, string>;
  /** Every Node process can be profiled with `profiled.ts`. */
  profiled: boolean;
  /** Leave the folder with the logs behind. */
  keepFolder: boolean;
};

export type Stack = {
  folder: string;
  /** Where each service listens, `echo`, `rowlock`, `claimline` and installations; none that was not asked for. */
  urls: Record<string, string[]>;
  /** The stores of `claimline` and of further installations. */
  stores: Record<string, Stores>;
  /** The processes by name. */
  pids: Record<string, number>;
  /** Those of them that run Node. */
  nodes: StartedProcess[];
  /** Throws when one of them has ended. */
  assertRunning(): void;
  /** Starts a Node process that is stopped with the stack; `args` begin with its file. */
  addNode(name: string, args: string[], env?: Record<string, string>): Promise<StartedProcess>;
  /** The same with a server on a free port, which it finds in PORT; resolves when it is healthy. */
  addServer(name: string, args: (port: string) => string[], env?: Record<string, string>): Promise<string>;
  stop(): Promise<void>;
};

export type Stores = { databaseUrl: string; redisUrl: string };

const HOST = '127.0.0.1';

/**
 * Starts what a measurement needs on free ports in a temporary folder: the stores, the baselines, and
 * Claimline's processes, migrated. Stops all of it again when one does not start, and on SIGINT and SIGTERM.
 */
export async function startStack(plan: StackPlan): Promise<Stack> {
  const folder = mkdtempSync(join(tmpdir(), 'claimline-load-'));
  // Postgres runs as a user of its own when this runs as root, and must be able to reach its data.
  chmodSync(folder, 0o711);
  const closers = createClosers((name, error) => process.stderr.write(`${name} did not stop: ${error}\n`));
  if (!plan.keepFolder) closers.push('folder', () => rmSync(folder, { recursive: true, force: true }));
  stopOnSignals(closers);

  const started: StartedProcess[] = [];
  const stack: Stack = {
    folder,
    urls: {},
    stores: {},
    pids: {},
    nodes: [],
    assertRunning: () => {
      for (const one of started) one.assertRunning();
    },
    addNode,
    addServer,
    stop: () => closers.close(),
  };

  function adopt(one: StartedProcess): void {
    started.push(one);
    stack.pids[one.name] = one.pid;
    closers.push(one.name, () => one.stop());
  }

  async function addPostgres(): Promise<string> {
    const { postgres, pid } = await startPostgres(folder);
    stack.pids.postgres = pid;
    closers.push('postgres', () => postgres.stop());
    return postgres.url;
  }

  async function addNode(
    name: string,
    args: string[],
    env: Record<string, string> = {},
  ): Promise<StartedProcess> {
    const profiling = plan.profiled
      ? [`--diagnostic-dir=${folder}`, '--import', './loadtest/profiled.ts']
      : [];
    const node = await startNode({ name, args: [...profiling, ...args], env, folder });
    adopt(node);
    stack.nodes.push(node);
    return node;
  }

  async function addServer(name: string, args: (port: string) => string[], env: Record<string, string> = {}) {
    const port = String(await freePort());
    const url = `http://${HOST}:${port}`;
    const server = await addNode(name, args(port), { ...env, PORT: port, HOST });
    await waitUntilReady(server, async () => (await fetch(`${url}/health`)).status === 200);
    return url;
  }

  try {
    if (plan.echo)
      stack.urls.echo = [await addServer('echo', port => [...API_FLAGS, 'loadtest/baselines/echo.ts', port])];
    if (!plan.rowlock && plan.apis === 0) return stack;
    const databaseUrl = await addPostgres();
    const rowlock = (port: string) => [...API_FLAGS, 'loadtest/baselines/rowlock.ts', port, databaseUrl];
    if (plan.rowlock) stack.urls.rowlock = [await addServer('rowlock', rowlock)];
    if (plan.apis === 0) return stack;
    const { redis, url: redisUrl } = await startRedis(folder);
    adopt(redis);
    await addInstallation(stack, 'claimline', plan, { databaseUrl, redisUrl });
    return stack;
  } catch (error) {
    await stack.stop();
    throw error;
  }
}

/** Needed from the first start on: Postgres has a session of its own, which Ctrl-C in a terminal does not reach. */
function stopOnSignals(closers: Closers): void {
  const stop = () => closers.close().finally(() => process.exit(1));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, stop);
    closers.push(signal, () => process.off(signal, stop));
  }
}
