import { once } from 'node:events';
import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { type LoadPlan, runLoad } from './load.ts';

const servers: Server[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  }
});

/** Serves, and collects the users of all requests. */
async function serve(answer: RequestListener): Promise<{ users: string[]; plan: LoadPlan }> {
  const users: string[] = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    users.push((JSON.parse(body) as { user_id: string }).user_id);
    answer(request, response);
  });
  servers.push(server.listen(0, '127.0.0.1'));
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const plan: LoadPlan = {
    targets: [{ host: '127.0.0.1', port }],
    method: 'POST',
    path: '/claims',
    body: '{"user_id":"{user}"}',
    userPrefix: 'u-',
    coupons: 1,
    burst: 1,
    connections: 8,
    durationMs: Number.POSITIVE_INFINITY,
    requests: Number.POSITIVE_INFINITY,
    ratePerSecond: 0,
    expectedStatuses: [202, 409],
  };
  return { users, plan };
}

it('sends exactly the requests it is told, each of another person, and counts every status', async () => {
  let count = 0;
  const { users, plan } = await serve((_request, response) => {
    count += 1;
    // Every other answer is chunked, because end() alone after write() cannot know the length.
    if (count % 2 === 0) response.writeHead(409).write('{"error":');
    else response.writeHead(202, { 'content-length': 2 });
    response.end('{}');
  });
  const result = await runLoad({ ...plan, requests: 500 });
  expect(result.statuses).toEqual({ 202: 250, 409: 250 });
  expect(new Set(users).size).toBe(500);
  expect(result).toMatchObject({ answers: 500, dropped: 0, connectionsLost: 0, unsent: 0 });
});

it('goes on over new connections when the server closes them', async () => {
  const { users, plan } = await serve((_request, response) =>
    response.writeHead(202, { connection: 'close', 'content-length': 0 }).end(),
  );
  const result = await runLoad({ ...plan, requests: 40 });
  expect(users.length).toBe(40);
  expect(result).toMatchObject({ answers: 40, dropped: 0 });
});

it('counts a request whose connection is cut as dropped', async () => {
  let count = 0;
  const { plan } = await serve((request, response) => {
    count += 1;
    if (count === 10) request.socket.destroy();
    else response.writeHead(202, { 'content-length': 0 }).end();
  });
  const result = await runLoad({ ...plan, requests: 100 });
  expect(result).toMatchObject({ answers: 99, dropped: 1, connectionsLost: 1 });
});

it('fails at once on an answer that is not expected, and shows it', async () => {
  const { plan } = await serve((_request, response) => response.writeHead(500).end('out of order'));
  await expect(runLoad({ ...plan, requests: 100 })).rejects.toThrow(/unexpected status 500 .*out of order/s);
});

it('in the open model sends what falls due, and tells what it could not send', async () => {
  const { plan } = await serve((_request, response) =>
    response.writeHead(202, { 'content-length': 0 }).end(),
  );
  const rate = { ...plan, ratePerSecond: 1000, durationMs: 300 };
  expect(await runLoad(rate)).toMatchObject({ answers: 300, unsent: 0 });

  const stuck = await serve((_request, response) =>
    setTimeout(() => response.writeHead(202, { 'content-length': 0 }).end(), 400),
  );
  const result = await runLoad({ ...stuck.plan, ratePerSecond: 1000, durationMs: 300 });
  expect(result).toMatchObject({ answers: 8, unsent: 292 });
});

it('sends bursts of the same person, each whole and of another one, and tells whose answer it is', async () => {
  const held: ServerResponse[] = [];
  let heldAtOnce: number | undefined;
  const release = () => {
    heldAtOnce ??= held.length;
    for (const response of held.splice(0)) response.writeHead(202, { 'content-length': 0 }).end();
  };
  // Until the first are answered, whatever else is sent has the time to arrive.
  const { users, plan } = await serve((_request, response) => {
    held.push(response);
    if (heldAtOnce !== undefined) release();
    else if (held.length === 10) setTimeout(release, 50);
  });
  const answered: number[] = [];
  const result = await runLoad({
    ...plan,
    // The last five are too few for another burst.
    connections: 15,
    burst: 10,
    requests: 300,
    onAnswer: (_answer, _bytes, userNumber) => answered.push(userNumber),
  });
  expect(result).toMatchObject({ answers: 300, dropped: 0 });
  const timesEach = [...new Set(users)].map(user => users.filter(other => other === user).length);
  expect(timesEach).toEqual(Array.from({ length: 30 }, () => 10));
  expect(answered.filter(userNumber => userNumber === 29).length).toBe(10);
  expect(heldAtOnce).toBe(10);
});
