import { type Receiver, startReceiver } from '@claimline/http/testing-receiver';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { parseAllowList } from './allow-list.ts';
import { complaintAboutUrl } from './guard.ts';
import { createSender, type Sender } from './send.ts';
import { newSecret } from './sign.ts';
import { type NameServer, startNameServer } from './testing-names.ts';

const nothingAllowed = parseAllowList('');
/** Stands for a public server: what the test allows is treated as one. */
const outside = '127.0.0.2';

let inward: Receiver;
let outer: Receiver;
let names: NameServer;
let addressesOf: Record<string, () => string[]> = {};
beforeAll(async () => {
  inward = await startReceiver();
  outer = await startReceiver({}, { host: outside });
  names = await startNameServer(name => addressesOf[name]?.() ?? null);
});
beforeEach(() => {
  addressesOf = {};
  outer.behave({});
});
afterAll(() => Promise.all([inward.close(), outer.close(), names.close()]));

async function send(url: string, allow: string) {
  const sender: Sender = createSender({ allow: parseAllowList(allow), resolver: names.resolver });
  const message = { id: 'msg_1', body: '{}', secrets: [newSecret()], timestampS: 1, attempt: 1 };
  const sent = await sender.send({ url, ...message });
  await sender.close();
  return sent;
}

describe('nothing inward is reached', () => {
  const spellings = [
    ...[
      '127.0.0.1',
      '2130706433',
      '0x7f.1',
      '0x7f000001',
      '017700000001',
      '127.1',
      '127.0.1',
      '0',
      '0.0.0.0',
    ],
    ...['[::1]', '[::]', '[0:0:0:0:0:0:0:1]', '[::ffff:127.0.0.1]', '[::ffff:7f00:1]', '[::127.0.0.1]'],
    ...[
      '[64:ff9b::127.0.0.1]',
      '[::ffff:0:127.0.0.1]',
      '[2002:7f00:1::]',
      '127.0.0.1.',
      '①②⑦.0.0.1',
      '127。0。0。1',
      '%31%32%37.0.0.1',
    ],
  ];

  test.each(spellings)('%s', async spelling => {
    for (const scheme of ['http', 'https'])
      expect(await send(`${scheme}://${spelling}:${inward.port}/`, '')).toMatchObject({
        status: null,
        failure: 'blocked',
      });
    expect(inward.connections()).toBe(0);
  });

  test('addresses of other networks that are nobody’s public server are refused by name', () => {
    const inner = [
      '169.254.169.254',
      '10.1.2.3',
      '172.31.0.1',
      '192.168.1.1',
      '100.100.100.200',
      '[fd00::1]',
    ];
    for (const host of [...inner, '[fe80::1]', '[fe80::1]', '224.0.0.1', '255.255.255.255', '198.18.0.1'])
      expect(complaintAboutUrl(`https://${host}/`, nothingAllowed), host).toMatch(
        /^must not lead to .+, which is a private or reserved address/,
      );
    for (const host of ['8.8.8.8', '172.32.0.1', '[2606:4700::1111]', '[::ffff:8.8.8.8]', 'shop.example'])
      expect(complaintAboutUrl(`https://${host}/`, nothingAllowed), host).toBeNull();
  });

  test('a name that leads inward, over https and over http', async () => {
    addressesOf = { 'inward.test': () => ['127.0.0.1', '169.254.169.254'] };
    for (const scheme of ['https', 'http'])
      for (const allow of ['', outside])
        expect(await send(`${scheme}://inward.test:${inward.port}/`, allow)).toMatchObject({
          failure: 'blocked',
          code: 'EBLOCKED',
        });
    expect(names.asked).toContain('inward.test');
    expect(inward.connections()).toBe(0);
  });

  test('a name that leads elsewhere at the next question', async () => {
    const turns = [[outside], ['127.0.0.1']];
    let turn = 0;
    addressesOf = { 'rebind.test': () => turns[turn++] ?? ['127.0.0.1'] };
    const sender = createSender({ allow: parseAllowList(outside), resolver: names.resolver });
    const message = { id: 'msg_1', body: '{}', secrets: [newSecret()], timestampS: 1, attempt: 1 };
    const url = `https://rebind.test:${outer.port}/`;
    const before = outer.connections();
    // One listens where the name led first, and one where it leads then.
    const moved = await startReceiver({}, { port: outer.port });
    // It speaks no TLS, so this is as far as one gets.
    expect((await sender.send({ url, ...message })).failure).toBe('tls');
    for (let n = 0; n < 3; n++)
      expect(await sender.send({ url, ...message })).toMatchObject({ status: null, failure: 'blocked' });
    expect([outer.connections() - before, moved.connections(), turn]).toEqual([1, 0, 4]);
    await Promise.all([sender.close(), moved.close()]);
  });

  test('a name that leads to both: the inward address is not tried, also when the other is dead', async () => {
    addressesOf = { 'both.test': () => ['127.0.0.3', '127.0.0.1'] };
    const sent = await send(`https://both.test:${inward.port}/`, '127.0.0.3');
    expect(sent).toMatchObject({ failure: 'connect', code: 'ECONNREFUSED' });
    expect(inward.connections()).toBe(0);
  });

  test.each([301, 302, 303, 307, 308])('a redirect inward with %i', async status => {
    outer.behave({ mode: 'redirect', status, headers: { location: inward.url } });
    expect(await send(outer.url, outside)).toMatchObject({ status, failure: null });
    expect(inward.connections()).toBe(0);
  });
});

test('what the operator allows is reached: by address, by network, by name', async () => {
  addressesOf = { 'named.test': () => [outside] };
  const before = outer.received.length;
  expect((await send(outer.url, outside)).status).toBe(204);
  expect((await send(outer.url, '10.0.0.0/8, 127.0.0.2/31')).status).toBe(204);
  expect((await send(`http://0x7f.2:${outer.port}/`, outside)).status).toBe(204);
  expect(outer.received.length - before).toBe(3);
  const connections = outer.connections();
  expect((await send(`https://named.test:${outer.port}/`, outside)).failure).toBe('tls');
  expect(outer.connections() - connections).toBe(1);
  const local = await startReceiver();
  expect((await send(`http://localhost:${local.port}/`, 'localhost')).status).toBe(204);
  // The name is open, and not the address.
  expect((await send(local.url, 'localhost')).failure).toBe('blocked');
  expect((await send(`http://localhost:${local.port}/`, '127.0.0.0/8')).status).toBe(204);
  expect(local.received).toHaveLength(2);
  await local.close();
});

test('an address is refused with what is wrong with it', () => {
  const wrong: [string, RegExp][] = [
    ['', /^must be an address such as https/],
    ['shop.example', /^must be an address/],
    ['https://', /^must be an address/],
    ['ftp://shop.example/', /^must begin with https:\/\/$/],
    ['file:///etc/passwd', /^must begin with https/],
    ['http://shop.example/', /^must begin with https:\/\/; an operator can allow http/],
    ['https://me@shop.example/', /^must not have a user name or password/],
    ['https://:secret@shop.example/', /^must not have a user name or password/],
    ['https://shop.example:22/', /^must not have port 22: 443 and those from 1024/],
    ['https://shop.example:80/', /^must not have port 80/],
    [`https://shop.example/${'x'.repeat(2048)}`, /^exceeds maximum length of 2048/],
    [`https://shop.example/${'ü'.repeat(400)}`, /^exceeds maximum length of 2048/],
  ];
  for (const [url, complaint] of wrong)
    expect(complaintAboutUrl(url, nothingAllowed), url).toMatch(complaint);
  for (const url of ['https://shop.example', 'https://shop.example:443/', 'https://shop.example:8443/x?y=z'])
    expect(complaintAboutUrl(url, nothingAllowed), url).toBeNull();
});

test('the allow list names the entry that is no host and no network', () => {
  for (const entry of [
    '10.0.0.0/33',
    '10.0.0/8',
    '::1/129',
    'http://x',
    'a b',
    '-x',
    '1.2.3',
    '10.0.0.0/8/8',
    '10.0.0.0/',
  ])
    expect(() => parseAllowList(`localhost,${entry}`), entry).toThrow(
      `"${entry}" is neither a host name nor a network`,
    );
  const { hosts, networks } = parseAllowList(' Shop.Internal , [::1], fd00::/8,, 10.0.0.0/8 ');
  expect([[...hosts], networks.rules.length]).toEqual([['shop.internal'], 3]);
});
