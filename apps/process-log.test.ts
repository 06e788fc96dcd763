import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';

/** What a pipe holds. */
const PIPE_BYTES = 64 * 1024;

let folder: string;
const started: ChildProcess[] = [];
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'claimline-log-'));
});
afterAll(() => {
  for (const child of started) child.kill('SIGKILL');
  rmSync(folder, { recursive: true });
});

/** A process that logs more than a pipe holds and waits for its end; on the way out it tells what it dropped. */
const program = `
  const [processModule, metricsModule, bytes] = process.argv.slice(1);
  const { runProcess } = await import(processModule);
  const { metrics } = await import(metricsModule);
  await runProcess('test', async ({ log }) => {
    for (let n = 0; n < Number(bytes) / 1024; n++) log.info({ n, text: 'x'.repeat(1024) }, 'line');
    return {
      async stop() {
        const { values } = await metrics.logLinesDropped.get();
        await new Promise(resolve => process.send({ dropped: values[0].value }, resolve));
      },
    };
  });
`;

/** Runs it with a pipe as standard output, which nobody reads before it has ended. */
async function run(bytes: number) {
  const path = join(folder, `pipe-${bytes}`);
  execFileSync('mkfifo', [path]);
  // For reading and writing, so that nobody waits for the other side.
  const pipe = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  const stdout = openSync(path, 'w');
  const child = spawn(
    process.execPath,
    [
      ...['--import', import.meta.resolve('tsx'), '--input-type=module', '--eval', program, '--'],
      new URL('process.ts', import.meta.url).href,
      import.meta.resolve('@claimline/telemetry/metrics'),
      String(bytes),
    ],
    { cwd: folder, env: { PATH: process.env.PATH }, stdio: ['ignore', stdout, 'inherit', 'ipc'] },
  );
  started.push(child);
  try {
    expect((await once(child, 'message'))[0]).toMatchObject({ ready: true });
    const told = once(child, 'message');
    child.kill('SIGTERM');
    const [{ dropped }] = (await told) as [{ dropped: number }];
    const [code, signal] = child.exitCode === null ? await once(child, 'exit') : [child.exitCode, null];
    const read = Buffer.alloc(PIPE_BYTES);
    const lines = read.toString('utf8', 0, readSync(pipe, read)).split('\n');
    return { code, signal, dropped, messages: lines.slice(0, -1).map(line => JSON.parse(line).msg) };
  } finally {
    closeSync(stdout);
    closeSync(pipe);
  }
}

test('a process whose log nobody reads ends when it is told to', async () => {
  expect(await run(1024 * 1024)).toMatchObject({ code: null, signal: 'SIGKILL', dropped: 0 });
});

test('it keeps so much of its log and no more', async () => {
  const { signal, dropped } = await run(20 * 1024 * 1024);
  expect(signal).toBe('SIGKILL');
  expect(dropped).toBeGreaterThan(3 * 1024);
});

test('what was logged is written when a process ends', async () => {
  const messages = [...Array(32).fill('line'), 'stopping', 'stopped'];
  expect(await run(32 * 1024)).toEqual({ code: 0, signal: null, dropped: 0, messages });
});
