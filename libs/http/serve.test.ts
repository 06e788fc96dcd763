import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, expect, it, vi } from 'vitest';
import { allowStream, arrivalLimits } from './arrivals.ts';
import { type Serving, serve } from './serve.ts';

const CROWD = 2000;

/** Connects so many sockets and prints how many were connected when all were, or 5 s had passed. */
const CROWD_CODE = `
  const { connect } = require('node:net');
  const [port, crowd] = process.argv.slice(1).map(Number);
  let connected = 0;
  const end = () => { console.log(connected); process.exit(); };
  for (let i = 0; i < crowd; i++)
    connect(port, '127.0.0.1', () => { if (++connected === crowd) end(); }).on('error', () => {});
  setTimeout(end, 5000);`;

const canHoldCrowd =
  process.platform === 'linux' && Number(readFileSync('/proc/sys/net/core/somaxconn', 'utf8')) >= CROWD;

it.runIf(canHoldCrowd)('a crowd that arrives while the process is busy waits at the door', async () => {
  const serving = await serve(() => new Response('ok'), '127.0.0.1', 0);
  try {
    // Nothing is accepted meanwhile: this process waits for that one.
    const { stdout } = spawnSync(process.execPath, ['-e', CROWD_CODE, String(serving.port), String(CROWD)], {
      encoding: 'utf8',
    });
    expect(Number(stdout)).toBe(CROWD);
  } finally {
    await serving.close(0);
  }
});

const usualLimits = { ...arrivalLimits };
let serving: Serving | undefined;
afterEach(async () => {
  Object.assign(arrivalLimits, usualLimits);
  await serving?.close(0);
  serving = undefined;
});

/** A server that looks at bodies all the time and answers with what it was sent; as streams but at `/`, at `/held` once all of it lies there. */
async function serveBodies(limits: Partial<Record<keyof typeof arrivalLimits, number>>) {
  Object.assign(arrivalLimits, { sweepMs: 2, ...limits });
  serving = await serve(
    async (_, { incoming }) => {
      if (incoming.url !== '/') allowStream(incoming);
      if (incoming.url === '/held') await vi.waitUntil(() => incoming.complete);
      return new Response(await text(incoming));
    },
    '127.0.0.1',
    0,
  );
}

/** A request with ten bytes of body, of which five are sent. */
function begin(path: string) {
  const socket = connect(serving?.port ?? 0, '127.0.0.1');
  socket.on('error', () => {});
  socket.write(`POST ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 10\r\n\r\nfirst`);
  return { answer: text(socket), finish: () => socket.write(' last') };
}

it('a body that does not arrive in time is told 408, and a stream has more time', async () => {
  await serveBodies({ bodyMs: 0 });
  const stream = begin('/stream');
  const refused = await begin('/').answer;
  expect(refused).toMatch(/^HTTP\/1\.1 408 .*^X-Request-Id: req_.*"code":"invalid_request"/ms);
  stream.finish();
  expect(await stream.answer).toMatch(/^HTTP\/1\.1 200 .*first last/s);
});

it('a stream that stands still is told 408, but not while it waits to be read', async () => {
  await serveBodies({ pieceMs: 0 });
  const heldUp = begin('/held');
  expect(await begin('/stream').answer).toMatch(/^HTTP\/1\.1 408 /);
  heldUp.finish();
  expect(await heldUp.answer).toMatch(/^HTTP\/1\.1 200 .*first last/s);
});

it('a stream has to come to its end some time', async () => {
  await serveBodies({ streamMs: 0 });
  expect(await begin('/stream').answer).toMatch(/^HTTP\/1\.1 408 /);
});
