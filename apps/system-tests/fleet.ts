import { freePort } from '@claimline/db/free-port';
import { API_FLAGS } from '../../loadtest/installation.ts';
import { awaitUntil } from './await-until.ts';
import { type Child, type Exit, startChild } from './child.ts';

const healthyWithinMs = 45_000;

/** The API and worker processes of one stack. */
export interface Fleet {
  /** The base addresses of the APIs; a replaced API keeps its address. */
  addresses: string[];
  pids(): { apis: number[]; workers: number[] };
  /** The indexes of the processes that run. */
  living(): { apis: number[]; workers: number[] };
  /** Signals the i-th worker ever started; answers how it ended, or nothing for SIGSTOP and SIGCONT. */
  killWorker(index: number, signal: NodeJS.Signals): Promise<Exit | undefined>;
  killApi(index: number, signal?: NodeJS.Signals): Promise<Exit | undefined>;
  /** Starts one more worker and answers its index, without waiting until it works. */
  startWorker(): number;
  /** Starts an API again at the address of the first one that ended, and waits until it is healthy. */
  startApi(): Promise<void>;
  /** Does something while no worker moves, so that claims stay undecided. */
  whileWorkersStand<T>(work: () => Promise<T>): Promise<T>;
  /** The last lines of every process. */
  logs(): string;
  /** The names of the processes that ended and were not asked to. */
  crashed(): string[];
  /** Awaits that every API is healthy; gives up as soon as a process has ended. */
  healthy(): Promise<void>;
  /** Kills whatever runs; nothing can be started any more. */
  end(): Promise<void>;
}

/** The environment of the i-th API or worker. */
export type EnvironmentOf = (kind: 'api' | 'worker', index: number) => Record<string, string>;

/** Starts the processes, each with its environment and each API with a PORT of its own, and waits for nothing. */
export async function startFleet(
  environmentOf: EnvironmentOf,
  count: { apis: number; workers: number },
): Promise<Fleet> {
  const ports = await freePorts(count.apis);
  const addresses = ports.map(port => `http://127.0.0.1:${port}`);
  let hasEnded = false;
  const apis = ports.map((_, index) => newApi(index));
  const workers: Child[] = [];
  for (let index = 0; index < count.workers; index++) startWorker();

  function newApi(index: number): Child {
    refuseLate();
    return startProcess(`api ${index}`, 'api', {
      ...environmentOf('api', index),
      PORT: String(ports[index]),
    });
  }
  function startWorker(): number {
    refuseLate();
    const index = workers.length;
    return workers.push(startProcess(`worker ${index}`, 'worker', environmentOf('worker', index))) - 1;
  }
  /** Nobody would end what is started after the end. */
  function refuseLate(): void {
    if (hasEnded) throw new Error('this fleet has ended');
  }
  const all = () => [...apis, ...workers];
  const living = (some: Child[]) => some.filter(child => !child.exit);
  const pidsOf = (some: Child[]) => some.map(child => child.pid);
  const indexesOf = (some: Child[]) => [...some.keys()].filter(index => !some[index]!.exit);
  return {
    addresses,
    pids: () => ({ apis: pidsOf(apis), workers: pidsOf(workers) }),
    living: () => ({ apis: indexesOf(apis), workers: indexesOf(workers) }),
    killWorker: (index, signal) => workers[index]!.signal(signal),
    killApi: (index, signal = 'SIGKILL') => apis[index]!.signal(signal),
    startWorker,
    async startApi() {
      const index = apis.findIndex(child => child.exit);
      apis[index] = newApi(index);
      await isHealthy(addresses[index]!);
    },
    async whileWorkersStand(work) {
      const standing = living(workers);
      for (const child of standing) await child.signal('SIGSTOP');
      try {
        return await work();
      } finally {
        for (const child of standing) await child.signal('SIGCONT');
      }
    },
    logs: () =>
      all()
        .map(child => `--- ${child.name}\n${child.lines.join('\n')}`)
        .join('\n'),
    crashed: () =>
      all()
        .filter(child => child.exit && !child.asked)
        .map(child => child.name),
    async healthy() {
      const ends = all().map(async child => {
        const { code, signal } = await child.exited;
        throw new Error(`${child.name} ended by ${signal ?? code}`);
      });
      await Promise.race([Promise.all(addresses.map(isHealthy)), ...ends]);
    },
    async end() {
      hasEnded = true;
      await Promise.all(living(all()).map(child => child.signal('SIGKILL')));
    },
  };
}

function startProcess(name: string, app: string, environment: Record<string, string>): Child {
  const flags = app === 'api' ? API_FLAGS : [];
  return startChild(
    name,
    process.execPath,
    [...flags, '--import', 'tsx', `apps/${app}/main.ts`],
    environment,
  );
}

async function isHealthy(address: string): Promise<void> {
  await awaitUntil(
    `${address} to be healthy`,
    async () => (await fetch(`${address}/health`)).ok,
    healthyWithinMs,
  );
}

async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) ports.add(await freePort());
  return [...ports];
}
