import { freePort } from '@claimline/db/free-port';
import { pause } from '@claimline/kernel/backoff';
import { startTestRedis, type TestRedis } from './testing-redis.ts';

const SLOTS = 16_384;
const primaries = 3;
const readyMs = 30_000;
const lookEveryMs = 20;
/** A primary that does not answer for so long is replaced by its replica. */
const nodeTimeoutMs = 1500;

/** A Redis Cluster of a test's own: its address names all nodes, the three primaries first. */
export type TestRedisCluster = TestRedis & {
  nodes: TestRedis[];
  /** The node that has the slot of the key now. */
  primaryOf(key: string): Promise<TestRedis>;
};

/** Starts three primaries on free ports, and as many replicas of each as are asked for. */
export async function startTestRedisCluster({ replicas = 0 } = {}): Promise<TestRedisCluster> {
  const nodes: TestRedis[] = [];
  // One after the other: two that look for a free port at once may find the same.
  while (nodes.length < primaries * (1 + replicas)) nodes.push(await startNode());
  const [first] = nodes as [TestRedis];
  await Promise.all(
    nodes.slice(0, primaries).map(async (node, index) => {
      const [from, to] = [index, index + 1].map(n => Math.round((n * SLOTS) / primaries)) as [number, number];
      await node.command('CLUSTER', 'SET-CONFIG-EPOCH', index + 1);
      await node.command('CLUSTER', 'ADDSLOTSRANGE', from, to - 1);
    }),
  );
  for (const node of nodes.slice(1)) {
    const [, busPort] = (await node.command('CONFIG', 'GET', 'cluster-port')) as [string, string];
    await first.command('CLUSTER', 'MEET', '127.0.0.1', new URL(node.url).port, busPort);
  }
  await everyNode(nodes, async node =>
    (await infoOf(node)).includes(`cluster_known_nodes:${nodes.length}\r`),
  );
  for (const [index, replica] of nodes.slice(primaries).entries()) {
    const primary = String(await nodes[index % primaries]!.command('CLUSTER', 'MYID'));
    await replica.command('CLUSTER', 'REPLICATE', primary);
  }
  await everyNode(nodes, async node => (await infoOf(node)).includes('cluster_state:ok\r'));
  await everyNode(nodes.slice(primaries), async node =>
    String(await node.command('INFO', 'replication')).includes('master_link_status:up\r'),
  );

  async function primaryOf(key: string): Promise<TestRedis> {
    for (const node of nodes) {
      const answer = await node.command('EXISTS', key).catch((error: Error) => error);
      if (!(answer instanceof Error)) return node;
    }
    throw new Error(`no node has the slot of ${key}`);
  }

  return {
    url: nodes.map(node => node.url).join(','),
    nodes,
    primaryOf,
    async command(name, ...args) {
      if (name !== 'FLUSHALL') throw new Error(`${name} is for one node: ask \`nodes\``);
      return Promise.all(nodes.slice(0, primaries).map(node => node.command(name, ...args)));
    },
    async stop() {
      for (const node of nodes) await node.stop();
    },
  };
}

async function startNode(): Promise<TestRedis> {
  return startTestRedis({
    'cluster-enabled': 'yes',
    'cluster-port': String(await freePort()),
    'cluster-node-timeout': String(nodeTimeoutMs),
    'repl-diskless-sync-delay': '0',
  });
}

async function infoOf(node: TestRedis): Promise<string> {
  return String(await node.command('CLUSTER', 'INFO'));
}

async function everyNode(nodes: TestRedis[], isSo: (node: TestRedis) => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + readyMs;
  for (const node of nodes)
    while (!(await isSo(node))) {
      if (performance.now() > deadline)
        throw new Error(`the cluster did not come up:\n${await infoOf(node)}`);
      await pause(lookEveryMs);
    }
}
