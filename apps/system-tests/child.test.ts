import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { awaitUntil } from './await-until.ts';

const repository = fileURLToPath(new URL('../../', import.meta.url));

/** Starts a child that sleeps, keeps itself alive through the first Ctrl-C, and ends at SIGTERM. */
const program = `
  import { keepChildrenApart, startChild } from './apps/system-tests/child.ts';
  keepChildrenApart();
  const child = startChild('sleeper', 'sleep', ['600']);
  process.on('SIGINT', () => console.log('heard', child.exit === undefined));
  process.on('SIGTERM', () => process.exit(0));
  setInterval(() => {}, 1000);
  console.log(child.pid);
`;

/** Whether it runs; one that has ended and that nobody waits for does not. */
function isRunning(pid: number): boolean {
  const { stdout } = spawnSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' });
  return /^[^Z\s]/.test(stdout);
}

test('children that are kept apart outlive a Ctrl-C, and end with whoever started them', async () => {
  const runner = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], {
    cwd: repository,
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  const lines = createInterface(runner.stdout)[Symbol.asyncIterator]();
  const sleeper = Number((await lines.next()).value);
  expect(isRunning(sleeper)).toBe(true);
  // What a terminal does: every process of the group gets it.
  process.kill(-runner.pid!, 'SIGINT');
  expect((await lines.next()).value).toBe('heard true');
  expect(isRunning(sleeper)).toBe(true);
  runner.kill('SIGTERM');
  await once(runner, 'exit');
  await awaitUntil('the child to be gone', () => !isRunning(sleeper));
});
