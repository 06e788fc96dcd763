import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { holdFolder } from './owner-lock.ts';
import { processStart } from './process-identity.ts';

let folder: string;
let file: string;
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'claimline-lock-')));
  file = join(folder, 'owner.lock');
});
afterEach(() => rmSync(folder, { recursive: true }));

test('is held by one at a time, and can be had again after it was given back', () => {
  const release = holdFolder(folder);
  expect(() => holdFolder(folder)).toThrow(folder);
  release();
  expect(readdirSync(folder)).toEqual([]);
  holdFolder(folder)();
});

test('is taken over from a process that is gone, from another one with its pid, and from an earlier self', async () => {
  const gone = spawn(process.execPath, ['--version'], { stdio: 'ignore' });
  const start = processStart(gone.pid!);
  await once(gone, 'exit');
  for (const text of [`${gone.pid} ${start}\n`, `${process.ppid} 1\n`, `${process.pid} 1\n`, '']) {
    writeFileSync(file, text);
    const release = holdFolder(folder);
    expect(readFileSync(file, 'utf8')).toMatch(new RegExp(`^${process.pid} `));
    release();
  }
  expect(readdirSync(folder)).toEqual([]);
});

test('is not taken from a living process', () => {
  writeFileSync(file, `${process.ppid} ${processStart(process.ppid)}\n`);
  expect(() => holdFolder(folder)).toThrow(`process ${process.ppid}`);
  expect(existsSync(file)).toBe(true);
});

test('of many processes that find a dead one’s lock at once, one gets it', async () => {
  writeFileSync(file, '999999 1\n');
  const program = `
    import { holdFolder } from ${JSON.stringify(new URL('./owner-lock.ts', import.meta.url).href)};
    try { holdFolder(${JSON.stringify(folder)}); console.log('mine'); setInterval(() => {}, 1000); }
    catch { console.log('taken'); }`;
  const children = Array.from({ length: 6 }, () =>
    spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    }),
  );
  const answers = await Promise.all(
    children.map(async child => String((await once(child.stdout, 'data'))[0]).trim()),
  );
  for (const child of children) child.kill('SIGKILL');
  expect(answers.sort()).toEqual(['mine', ...Array.from({ length: 5 }, () => 'taken')]);
});
