import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '@claimline/db/free-port';
import { afterAll, expect, test } from 'vitest';
import { newSecret, secretText, signatureHeaders } from './sign.ts';

/*
 * The receivers of docs/webhooks.md, each with the official library of its language, on messages that are
 * signed by sign.ts. `.ci/run` installs the libraries; elsewhere a language that lacks its own is left out.
 */

const root = fileURLToPath(new URL('../..', import.meta.url));
const document = readFileSync(join(root, 'docs/webhooks.md'), 'utf8');
const folder = mkdtempSync(join(tmpdir(), 'claimline-receivers-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const goModule = 'github.com/standard-webhooks/standard-webhooks/libraries v0.0.1';
/** Go takes the library from where it was downloaded to before, and asks nobody. */
const goOffline = { GOFLAGS: '-mod=mod', GOPROXY: 'off', GOSUMDB: 'off' };
/** The first build compiles Go's own packages. */
const buildMs = 300_000;

/** The program of that language in the document, written to a file. */
function writeProgram(language: string, name: string): string {
  const program = new RegExp(`\n\`\`\`${language}\n(.*?)\n\`\`\`\n`, 's').exec(document)?.[1];
  if (program === undefined) throw new Error(`docs/webhooks.md has no receiver in ${language}`);
  const file = join(folder, name);
  writeFileSync(file, `${program}\n`);
  return file;
}

/** How the receiver of each language is started, or null where its library is not there. */
const receivers: Record<string, () => string[] | null> = {
  typescript() {
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
    return [process.execPath, '--import', import.meta.resolve('tsx'), writeProgram('ts', 'receiver.mts')];
  },
  python() {
    if (spawnSync('python3', ['-c', 'import standardwebhooks']).status !== 0) return null;
    return ['python3', writeProgram('python', 'receiver.py')];
  },
  go() {
    writeProgram('go', 'receiver.go');
    writeFileSync(join(folder, 'go.mod'), `module receiver\n\ngo 1.21\n\nrequire ${goModule}\n`);
    const env = { ...process.env, ...goOffline };
    const has = spawnSync('go', ['mod', 'download'], { cwd: folder, env });
    if (has.status !== 0) return null;
    const built = spawnSync('go', ['build', '-o', 'receiver', 'receiver.go'], { cwd: folder, env });
    expect(String(built.stderr), 'go build').toBe('');
    return [join(folder, 'receiver')];
  },
};

/** Starts a receiver that knows one secret; resolves when it has said that it listens. */
async function start(
  [command = '', ...args]: string[],
  secret: Buffer,
): Promise<{ child: ChildProcess; url: string }> {
  const port = await freePort();
  const child = spawn(command, args, {
    env: { PATH: process.env.PATH, PORT: String(port), WEBHOOK_SECRET: secretText(secret) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  child.stderr!.on('data', text => {
    said += text;
  });
  const ended = once(child, 'close').then(() => Promise.reject(new Error(`the receiver ended:\n${said}`)));
  await Promise.race([once(child.stdout!, 'data'), ended]);
  ended.catch(() => {});
  return { child, url: `http://127.0.0.1:${port}/` };
}

const body = JSON.stringify({
  type: 'claim.granted',
  timestamp: '2026-11-24T18:00:00.019Z',
  data: { é: '☃ ' },
});

/** The receiver's answer to a message that is signed with these secrets. */
async function post(
  url: string,
  secrets: Buffer[],
  { ageS = 0, sent = body, id = 'msg_1' } = {},
): Promise<number> {
  const timestampS = Math.floor(Date.now() / 1000) - ageS;
  const headers = signatureHeaders(secrets, { id: 'msg_1', timestampS, body });
  const answer = await fetch(url, { method: 'POST', headers: { ...headers, 'webhook-id': id }, body: sent });
  return answer.status;
}

test.each(Object.entries(receivers))(
  'the receiver in %s believes what we sign, and nothing else',
  { timeout: buildMs },
  async (language, prepare) => {
    const command = prepare();
    if (command === null) {
      if (process.env.CI)
        throw new Error(`CI is set, and there is no library of Standard Webhooks for ${language}`);
      process.stderr.write(
        `There is no library of Standard Webhooks for ${language} here: it is left out.\n`,
      );
      return;
    }
    const [known, other] = [newSecret(), newSecret()];
    const { child, url } = await start(command, known);
    try {
      expect(await post(url, [known])).toBe(204);
      // While a rotation lasts: the receiver knows the secret of before, or the new one already.
      expect(await post(url, [other, known])).toBe(204);
      expect(await post(url, [known, other])).toBe(204);
      expect(await post(url, [other])).toBe(400);
      expect(await post(url, [known], { sent: `${body} ` })).toBe(400);
      expect(await post(url, [known], { id: 'msg_2' })).toBe(400);
      expect(await post(url, [known], { ageS: 3600 })).toBe(400);
      expect(await post(url, [known], { ageS: -3600 })).toBe(400);
    } finally {
      child.kill();
    }
  },
);
