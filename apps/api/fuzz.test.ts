import { Agent, type IncomingHttpHeaders, request } from 'node:http';
import { randomOf } from '@claimline/kernel/testing-random';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { atMost } from '../system-tests/await-until.ts';
import { createProcessDatabase, type Process, startProcess } from '../testing.ts';
import { createGun, type Shot } from './testing-gun.ts';

const SEED = 20_261_120;
const requests = 2000;
const width = 16;

/** What would tell a stranger about the inside. */
const internals =
  /\bat .+:\d+:\d+|node_modules|\.ts\b|\bselect .+ from\b|insert into|bullmq|ioredis|PostgresError|relation "|syntax error/i;

let database: Awaited<ReturnType<typeof createProcessDatabase>>;
let api: Process;
let worker: Process;
let base: string;
beforeAll(async () => {
  database = await createProcessDatabase();
  api = startProcess('api', { DATABASE_URL: database.url, PORT: '0' });
  worker = startProcess('worker', { DATABASE_URL: database.url });
  base = await api.ready;
  await worker.ready;
});
afterAll(async () => {
  await Promise.all([api.stop(), worker.stop()]);
  await database.drop();
});

type Hit = { status: number; headers: IncomingHttpHeaders; body: string };

function fire(agent: Agent, { method, path, headers, body }: Shot): Promise<Hit> {
  return new Promise((resolve, reject) => {
    const sending = request(base, { agent, method, path, headers }, answer => {
      let text = '';
      answer.setEncoding('utf8').on('data', chunk => (text += chunk));
      answer.on('end', () =>
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: text }),
      );
      answer.on('error', reject);
    });
    sending.on('error', error =>
      reject(new Error(`${method} ${path} ${JSON.stringify(headers)} ${body}: ${error.message}`)),
    );
    sending.end(body);
  });
}

/** What is wrong with an answer, in a word each. */
function faultsOf({ method, path }: Shot, { status, headers, body }: Hit): string[] {
  const isProblem = status >= 400 && method !== 'HEAD' && !path.startsWith('/queues');
  const problem =
    isProblem && headers['content-type']?.startsWith('application/problem+json') ? JSON.parse(body) : {};
  const checks: Record<string, boolean> = {
    'a failure of ours': status < 500,
    'no request id': /^[\w.:-]+$/.test(String(headers['x-request-id'])),
    'no security headers': headers['x-content-type-options'] === 'nosniff',
    'no problem details': !isProblem || problem.status === status,
    'another request id': !isProblem || problem.request_id === headers['x-request-id'],
    // What the caller sent may come back in these.
    'the inside':
      !internals.test(body.replaceAll(/"(?:path|detail|error)":"(?:[^"\\]|\\.)*"/g, '')) || status < 400,
    'a 405 that allows it': status !== 405 || !String(headers.allow).split(', ').includes(method),
  };
  return Object.keys(checks).filter(name => !checks[name]);
}

test(`${requests} random requests: no failure of ours, nothing of the inside (seed ${SEED})`, async () => {
  const shoot = createGun(randomOf(SEED));
  const shots = Array.from({ length: requests }, shoot);
  const agent = new Agent({ keepAlive: true, maxSockets: width });
  const statuses = new Set<number>();
  const wrong: string[] = [];
  await atMost(width, shots, async (shot: Shot) => {
    const hit = await fire(agent, shot);
    statuses.add(hit.status);
    for (const fault of faultsOf(shot, hit))
      wrong.push(
        `${fault}: ${JSON.stringify(shot).slice(0, 600)} -> ${hit.status} ${hit.body.slice(0, 300)}`,
      );
  });
  agent.destroy();
  expect(wrong).toEqual([]);
  // Shots that are all refused at the first check would prove little.
  expect([...statuses]).toEqual(expect.arrayContaining([200, 201, 202, 400, 404, 405, 409, 415]));
  for (const { log } of [api, worker])
    expect(log().filter(line => ['error', 'fatal'].includes(line.level))).toEqual([]);
}, 60_000);
