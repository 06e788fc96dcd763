import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Webhook } from 'standardwebhooks';
import { expect, test } from 'vitest';

const secret = `whsec_${Buffer.alloc(32, 'x').toString('base64')}`;

/** Runs the receiver, sends what `use` sends, stops it, and answers its last line. */
async function run(args: string[], use: (url: string) => Promise<void>): Promise<string> {
  const file = fileURLToPath(new URL('receiver.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', file, '--port', '0', ...args]);
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', text => {
      said += text;
    });
  const ended = once(child, 'close');
  await Promise.race([once(child.stdout, 'data'), ended]);
  const url = /listening at (\S+)/.exec(said)?.[1];
  if (url === undefined) {
    await ended;
    return said;
  }
  await use(url);
  child.kill();
  await ended;
  return said.trim().split('\n').at(-1) ?? '';
}

test('it counts messages, those that were repeated, and those that are not signed', async () => {
  const signed = (id: string) => ({
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(Date.now() / 1000)),
    'webhook-signature': new Webhook(secret).sign(id, new Date(), '{}'),
  });
  const statuses: number[] = [];
  const last = await run(['--secret', secret, '--status', '201'], async url => {
    for (const headers of [signed('a'), signed('b'), signed('a'), { ...signed('c'), 'webhook-id': 'd' }])
      statuses.push((await fetch(url, { method: 'POST', headers, body: '{}' })).status);
  });
  expect(statuses).toEqual([201, 201, 201, 400]);
  expect(last).toBe('4 requests, 2 messages, 1 of them repeated, 1 not verified');
});

test('it says what its modes are, and 429 asks to wait', async () => {
  await run(['--mode', '429', '--retry-after', '7'], async url => {
    const { status, headers } = await fetch(url, { method: 'POST', body: '{}' });
    expect([status, headers.get('retry-after')]).toEqual([429, '7']);
  });
  expect(await run(['--mode', 'odd'], async () => {})).toContain(
    '--mode must be one of answer, hang, drip, big, redirect, reset, 410, 429',
  );
});
