import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { expect, test } from 'vitest';
import { livingPid } from './postmaster.ts';

test('nothing is left of it when the process that started it is killed', async () => {
  const program = `
    import { startThrowAway } from ${JSON.stringify(new URL('./throw-away.ts', import.meta.url).href)};
    console.log((await startThrowAway()).dir);
    setInterval(() => {}, 1000);`;
  const owner = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const dir = String((await once(owner.stdout, 'data'))[0]).trim();
  expect(livingPid(dir)).toBeDefined();
  owner.kill('SIGKILL');
  await expect.poll(() => livingPid(dir), { timeout: 10_000 }).toBeUndefined();
  await expect.poll(() => existsSync(dirname(dir)), { timeout: 10_000 }).toBe(false);
});
