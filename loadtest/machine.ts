import { execFileSync } from 'node:child_process';
import { statfsSync } from 'node:fs';
import { cpus, tmpdir, totalmem } from 'node:os';
import { REPOSITORY } from './process.ts';

/** What a figure must be read together with. */
export type Machine = {
  cpu: string;
  cores: number;
  memoryGb: number;
  platform: string;
  node: string;
  /** `memory` means that fsync costs nothing, which flatters whoever commits most. */
  storage: 'disk' | 'memory';
  commit: string;
  measuredAt: string;
};

// What `npm run bench -- --write` changes itself does not change what is measured.
const UNMEASURED = ['RESULTS.md', 'results.json', 'results.svg'].map(name => `:!loadtest/${name}`);
const TMPFS_MAGIC = 0x01021994;

export function describeMachine(): Machine {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 1024 ** 3),
    platform: `${process.platform} ${process.arch}`,
    node: process.version,
    storage: statfsSync(tmpdir()).type === TMPFS_MAGIC ? 'memory' : 'disk',
    commit: readCommit(),
    measuredAt: new Date().toISOString(),
  };
}

/** A machine in a line of text. */
export function describeMachineLine(machine: Machine): string {
  return [
    machine.cpu,
    `${machine.cores} cores shared by everything`,
    `${machine.memoryGb} GB`,
    machine.platform,
    `Node ${machine.node}`,
    `data on ${machine.storage}`,
    `commit ${machine.commit}`,
    machine.measuredAt,
  ].join(', ');
}

function readCommit(): string {
  try {
    const commit = git('rev-parse', '--short=12', 'HEAD');
    return git('status', '--porcelain', '--', '.', ...UNMEASURED) === '' ? commit : `${commit} with changes`;
  } catch {
    return 'none';
  }
}

function git(...args: string[]): string {
  return execFileSync('git', args, {
    cwd: REPOSITORY,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  }).trim();
}
