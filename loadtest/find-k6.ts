import { spawnSync } from 'node:child_process';
import { homedir } from 'node:os';
import { join } from 'node:path';

export const HOW_TO_INSTALL_K6 = [
  'There is no k6 here. Install it, or set K6 to where it is:',
  '  with Go            go install go.k6.io/k6@v1.8.1',
  '  macOS              brew install k6',
  '  Windows            winget install k6 --source winget',
].join('\n');

/**
 * The command that starts k6: what the variable K6 names and nothing else where it is set, else `k6` on the PATH,
 * else where `go install` puts it. Null when there is none.
 */
export function findK6(): string | null {
  const candidates = process.env.K6
    ? [process.env.K6]
    : ['k6', ...goFolders().map(folder => join(folder, 'bin', 'k6'))];
  return candidates.find(command => spawnSync(command, ['version']).status === 0) ?? null;
}

function goFolders(): string[] {
  const { status, stdout } = spawnSync('go', ['env', 'GOPATH'], { encoding: 'utf8' });
  const usual = join(homedir(), 'go');
  return status === 0 && stdout.trim() ? [stdout.trim(), usual] : [usual];
}
