import { lockCode, redeemCode } from '@claimline/codes';
import { freePort } from '@claimline/db/free-port';
import { closePool, openPool, type Sql } from '@claimline/db/pool';
import { type Connection, openConnection } from './connection.ts';
import { startNode, waitUntilReady } from './process.ts';
import { startRedis } from './stores.ts';

/** Codes that are used up in each round, and by how many at once. */
const CODES_A_ROUND = 1000;
const WIDTH = 64;
const CONNECTIONS = 10;
const ROUNDS = 5;
const HOST = '127.0.0.1';

type Given = { code: string; user_id: string };

/**
 * Locks and redeems codes that were given out: over HTTP, and by the same statements on as many connections as the
 * API has, in turns. Answers with both, in codes a second.
 *
 * @param databaseUrl of a database with 2 x 5 x 1,000 assigned codes
 */
export async function measureUses(databaseUrl: string, folder: string) {
  const { redis, url: redisUrl } = await startRedis(folder);
  const port = await freePort();
  const env = { DATABASE_URL: databaseUrl, REDIS_URL: redisUrl, PORT: String(port), HOST, LOG_LEVEL: 'warn' };
  const api = await startNode({ name: 'api', args: ['apps/api/main.ts'], env, folder });
  const sql = openPool({ url: databaseUrl, applicationName: 'load codes', max: CONNECTIONS });
  try {
    await waitUntilReady(api, async () => (await fetch(`http://${HOST}:${port}/health`)).ok);
    const given = await sql<Given[]>`
      select code, user_id from assignments where status = 'assigned' limit ${2 * ROUNDS * CODES_A_ROUND}`;
    const byHttp: number[] = [];
    const byStatement: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      byHttp.push(await useByHttp({ host: HOST, port }, given.splice(0, CODES_A_ROUND)));
      byStatement.push(await useByStatement(sql, given.splice(0, CODES_A_ROUND)));
    }
    return { byHttp, byStatement };
  } finally {
    await closePool(sql, 1);
    await api.stop();
    await redis.stop();
  }
}

async function perSecond(codes: Given[], workers: ((code: Given) => Promise<void>)[]): Promise<number> {
  const startedMs = performance.now();
  let next = 0;
  await Promise.all(
    workers.map(async use => {
      for (let code = codes[next++]; code; code = codes[next++]) await use(code);
    }),
  );
  return (codes.length * 1000) / (performance.now() - startedMs);
}

function useByStatement(sql: Sql, codes: Given[]): Promise<number> {
  const caller = { actor: 'user', address: HOST, agent: null } as const;
  const use = async ({ code, user_id: userId }: Given) => {
    const same = { code, userId, session: null, metadata: undefined };
    await lockCode(sql, { ...same, seconds: null }, caller);
    await redeemCode(sql, { ...same, orderId: null, orderValue: null }, caller);
  };
  return perSecond(codes, new Array(WIDTH).fill(use));
}

async function useByHttp(target: { host: string; port: number }, codes: Given[]): Promise<number> {
  const lines = await Promise.all(Array.from({ length: WIDTH }, () => openLine(target)));
  const workers = lines.map(line => async ({ code, user_id }: Given) => {
    await line.post(`/api/codes/${code}/lock`, { user_id });
    await line.post(`/api/codes/${code}/redeem`, { user_id });
  });
  const rate = await perSecond(codes, workers);
  for (const line of lines) line.close();
  return rate;
}

/** A connection that sends one request after the other and wants 200. */
function openLine(target: { host: string; port: number }) {
  let settle: { resolve: () => void; reject: (error: Error) => void } | undefined;
  function post(connection: Connection, path: string, body: unknown): Promise<void> {
    const text = JSON.stringify(body);
    const head = `POST ${path} HTTP/1.1\r\nHost: ${target.host}\r\nContent-Type: application/json\r\n`;
    connection.send(Buffer.from(`${head}Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`));
    return new Promise((resolve, reject) => {
      settle = { resolve, reject };
    });
  }
  return new Promise<{ post(path: string, body: unknown): Promise<void>; close(): void }>(
    (resolve, reject) => {
      openConnection(target, {
        onReady: connection =>
          resolve({ post: (path, body) => post(connection, path, body), close: () => connection.close() }),
        onAnswer(_, { status }, bytes) {
          if (status === 200) settle?.resolve();
          else settle?.reject(new Error(`${status}: ${bytes.toString('utf8')}`));
        },
        onLost: (_, __, error) => (settle?.reject ?? reject)(error ?? new Error('the connection was lost')),
      });
    },
  );
}
