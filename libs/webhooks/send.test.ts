import { once } from 'node:events';
import { createServer as createTcpServer } from 'node:net';
import { type Receiver, startReceiver } from '@claimline/http/testing-receiver';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseAllowList } from './allow-list.ts';
import { createSender, type Outgoing, type Sender, sendLimits } from './send.ts';
import { newSecret, secretText } from './sign.ts';

const allow = parseAllowList('127.0.0.0/8');
let receiver: Receiver;
let sender: Sender;
beforeAll(async () => {
  receiver = await startReceiver();
  sender = createSender({ allow });
});
afterAll(() => Promise.all([receiver.close(), sender.close()]));

const nowS = () => Math.floor(Date.now() / 1000);
const body = JSON.stringify({ type: 'claim.granted', timestamp: new Date().toISOString(), data: { é: '☃' } });

const message = { id: 'msg_1', body, secrets: [newSecret()], timestampS: nowS(), attempt: 1 };

function send(more: Partial<Outgoing> = {}) {
  return sender.send({ url: receiver.url, ...message, ...more });
}

test('a message arrives to the byte, with headers that the official library verifies', async () => {
  const secrets = [newSecret(), newSecret(), newSecret()];
  receiver.behave({ status: 200, body: 'thanks' });
  const sent = await send({ id: 'msg_x', secrets: secrets.slice(0, 2), attempt: 3 });
  expect(sent).toMatchObject({ status: 200, failure: null, code: null, body: 'thanks', retryAfterS: null });
  const { headers, body: arrived, method } = receiver.received.at(-1)!;
  expect([method, arrived]).toEqual(['POST', body]);
  expect(headers).toMatchObject({
    'content-type': 'application/json',
    'webhook-id': 'msg_x',
    'webhook-attempt': '3',
    'webhook-signature': expect.stringMatching(/^v1,[\w+/]{43}= v1,[\w+/]{43}=$/),
  });
  const given = headers as Record<string, string>;
  // The new secret and the old one, while both are in force; not a third.
  for (const secret of secrets.slice(0, 2))
    expect(new Webhook(secretText(secret)).verify(arrived, given)).toEqual(JSON.parse(body));
  expect(() => new Webhook(secretText(secrets[2]!)).verify(arrived, given)).toThrow('No matching signature');
  expect(() => new Webhook(secretText(secrets[0]!)).verify(`${arrived} `, given)).toThrow(
    'No matching signature',
  );
});

test('what a receiver asks for is heard, and what it says is cut and can be stored', async () => {
  receiver.behave({
    status: 429,
    headers: { 'retry-after': '120', 'webhook-delivery': 'disable' },
    body: 'a\0b',
  });
  expect(await send()).toMatchObject({
    status: 429,
    retryAfterS: 120,
    delivery: 'disable',
    body: 'a\ufffdb',
  });
  receiver.behave({ status: 503, headers: { 'retry-after': new Date(Date.now() + 90_000).toUTCString() } });
  const { retryAfterS } = await send();
  expect(retryAfterS).toBeGreaterThan(60);
  expect(retryAfterS).toBeLessThanOrEqual(90);
  receiver.behave({ status: 503, headers: { 'retry-after': 'soon' } });
  expect((await send()).retryAfterS).toBeNull();
  receiver.behave({ mode: 'big' });
  const big = await send();
  expect([big.status, big.body]).toEqual([200, 'x'.repeat(sendLimits.bodyBytes)]);
});

test('the connection of an answer that is too long is cut', async () => {
  let onClosed = () => {};
  const closed = new Promise<void>(resolve => {
    onClosed = resolve;
  });
  const server = createTcpServer(socket => {
    socket.on('error', () => {});
    socket.on('close', onClosed);
    socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
    const write = () => {
      if (!socket.destroyed) socket.write(`1000\r\n${'x'.repeat(4096)}\r\n`, () => setImmediate(write));
    };
    write();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as { port: number };
  // It has no time limit that would end it in place of the cut.
  const patient = createSender({ allow, totalMs: 600_000 });
  const url = `http://127.0.0.1:${port}/`;
  const { status, body: shown } = await patient.send({ ...message, url });
  expect([status, shown.length]).toEqual([200, sendLimits.bodyBytes]);
  await closed; // It would go on for ever.
  await patient.close();
  server.close();
});

test('an answer whose body never ends counts by its status when the time is over', async () => {
  const hasty = createSender({ allow, totalMs: 1000 });
  receiver.behave({ mode: 'drip' });
  expect(await hasty.send({ ...message, url: receiver.url })).toMatchObject({
    status: 200,
    body: expect.stringMatching(/^\.+$/),
  });
  receiver.behave({ mode: 'hang' });
  expect(await hasty.send({ ...message, url: receiver.url })).toMatchObject({
    status: null,
    failure: 'timeout',
  });
  await hasty.close();
});

test('what keeps a message from being answered has a name', async () => {
  const gone = await startReceiver();
  await gone.close();
  expect(await send({ url: gone.url })).toMatchObject({
    status: null,
    failure: 'connect',
    code: 'ECONNREFUSED',
  });
  receiver.behave({ mode: 'reset' });
  expect(await send()).toMatchObject({ status: null, failure: 'broken' });
  expect(await send({ url: receiver.url.replace('http:', 'https:') })).toMatchObject({
    status: null,
    failure: 'tls',
  });
  const nonsense = createTcpServer(socket => void socket.on('error', () => {}).end('hello\r\n\r\n'));
  await once(nonsense.listen(0, '127.0.0.1'), 'listening');
  const { port } = nonsense.address() as { port: number };
  expect(await send({ url: `http://127.0.0.1:${port}/` })).toMatchObject({ status: null, failure: 'broken' });
  nonsense.close();
});

test('one that hangs holds up no message to another, also at the same host', async () => {
  receiver.behave(({ path }) => (path === '/hang' ? { mode: 'hang' } : { status: 204 }));
  const base = receiver.url.replace('/webhooks', '');
  const hanging = Array.from({ length: 20 }, () => send({ url: `${base}/hang` }));
  await Promise.all(Array.from({ length: 20 }, async () => expect((await send()).status).toBe(204)));
  await sender.close();
  for (const { status, failure } of await Promise.all(hanging))
    expect([status, failure]).toEqual([null, 'broken']);
  sender = createSender({ allow });
});
