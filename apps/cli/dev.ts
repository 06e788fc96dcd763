import { type ChildProcess, fork } from 'node:child_process';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startEmbedded } from '@claimline/db/embedded';
import { pause } from '@claimline/kernel/backoff';
import { type Config, childEnvironment, readConfig } from '../config.ts';
import { runMigrations } from './migrate.ts';

const limits = {
  /** A process that ends by itself is started again after this, and up to so often in a row. */
  restartMs: 500,
  restartsMost: 5,
  /** A process that ran this long has started well: its count begins anew. */
  steadyMs: 30_000,
  /** Kept back from SHUTDOWN_TIMEOUT_SECONDS to stop Postgres. */
  stopPostgresMs: 1000,
} as const;

type Service = 'api' | 'worker';

/**
 * `npm start`: everything on this machine. Postgres is embedded where DATABASE_URL is not set; API
 * and worker are processes of their own and are started again when they crash. SIGTERM or Ctrl-C
 * stops the API, then the worker, then Postgres, so that nothing accepted is left behind.
 */
export async function runDev(): Promise<void> {
  const config = readConfig();
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop.abort());

  const embedded = config.DATABASE_URL
    ? undefined
    : await startEmbedded({ dataDir: resolve(config.DATA_DIR), log: () => {} });
  const databaseUrl = config.DATABASE_URL ?? embedded?.url ?? '';
  try {
    await runMigrations(config, { databaseUrl, signal: stop.signal });
    if (stop.signal.aborted) return;
    await superviseAll(config, databaseUrl, stop.signal);
  } finally {
    await embedded?.stop();
  }
}

async function superviseAll(config: Config, databaseUrl: string, signal: AbortSignal) {
  const failed = new AbortController();
  const either = AbortSignal.any([signal, failed.signal]);
  const worker = supervise('worker', databaseUrl, either);
  const api = supervise('api', databaseUrl, either);
  Promise.race([worker.gaveUp, api.gaveUp]).then(
    () => failed.abort(),
    () => {},
  );
  const [address] = await Promise.race([
    Promise.all([api.ready, worker.ready]),
    new Promise<[undefined]>(done =>
      either.addEventListener('abort', () => done([undefined]), { once: true }),
    ),
  ]);
  if (address) printBanner(config, address, databaseUrl);
  if (!either.aborted) await new Promise(done => either.addEventListener('abort', done, { once: true }));
  // The API first: what it has accepted, the worker may still settle. Both together have the time of one.
  const deadline = setTimeout(
    () => {
      api.kill();
      worker.kill();
    },
    config.SHUTDOWN_TIMEOUT_SECONDS * 1000 - limits.stopPostgresMs,
  );
  await api.stop();
  await worker.stop();
  clearTimeout(deadline);
  if (failed.signal.aborted) throw new Error('a process could not be kept running; see the log above');
}

/** Keeps one child process running until it is stopped. */
function supervise(service: Service, databaseUrl: string, signal: AbortSignal) {
  const path = fileURLToPath(new URL(`../${service}/main.ts`, import.meta.url));
  let child: ChildProcess;
  let ended: Promise<number | null>;
  let giveUp = () => {};
  let wasReady = false;
  let becomeReady = (_address: string) => {};
  const gaveUp = new Promise<void>(done => {
    giveUp = done;
  });
  const ready = new Promise<string>(done => {
    becomeReady = done;
  });

  function start() {
    child = fork(path, [], {
      execArgv: ['--import', 'tsx'],
      env: childEnvironment({ DATABASE_URL: databaseUrl }),
      detached: true, // Ctrl-C reaches this process only, which stops the others in order.
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    child.on('message', (message: { ready?: boolean; address?: string }) => {
      if (!message.ready) return;
      wasReady = true;
      becomeReady(message.address ?? '');
    });
    ended = new Promise(done => child.once('exit', code => done(code)));
  }

  async function keepRunning() {
    for (let restarts = 0; restarts <= limits.restartsMost; restarts++) {
      const startedMs = performance.now();
      start();
      const code = await ended;
      if (signal.aborted) return;
      if (!wasReady) break; // What never started will not start the next time either.
      process.stderr.write(`${service} ended with ${code ?? 'a signal'}, starting it again\n`);
      if (performance.now() - startedMs > limits.steadyMs) restarts = 0;
      await pause(limits.restartMs, signal);
      if (signal.aborted) return;
    }
    giveUp();
  }
  const running = keepRunning();

  return {
    ready,
    gaveUp,
    kill: () => child.kill('SIGKILL'),
    async stop() {
      child.kill('SIGTERM');
      await ended;
      await running;
    },
  };
}

function printBanner(config: Config, address: string, databaseUrl: string) {
  const key = config.OPERATOR_KEY ? ` -H "authorization: Bearer $OPERATOR_KEY"` : '';
  const stores = [
    config.DATABASE_URL
      ? 'Postgres  DATABASE_URL'
      : `Postgres  embedded, in ${resolve(config.DATA_DIR)}\n            ${databaseUrl}`,
    `Queue     ${config.REDIS_URL ? 'BullMQ on Redis' : 'BullMQ on Postgres (set REDIS_URL for far more speed)'}`,
  ];
  process.stdout.write(`
  Claimline is ready at ${address}

  API reference  ${address}/docs
  Lanes          ${address}/queues
  Health         ${address}/health
  ${config.OPERATOR_KEY ? 'Access         OPERATOR_KEY is needed for what operators and merchants call' : 'Access         no OPERATOR_KEY: everything is open to this machine'}
  ${stores.join('\n  ')}

  Try it:
    curl -sX POST ${address}/api/coupons${key} -H 'content-type: application/json' -d '{"name":"FIRST","amount":5}'
    curl -sX POST ${address}/api/coupons/FIRST/claims -H 'content-type: application/json' -H 'prefer: wait=5' -d '{"user_id":"ada"}'

`);
}
