import { mkdirSync, mkdtempSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { completeLinks } from './embedded-binaries.ts';

test('makes the links that npm could not, and leaves those that are there', () => {
  const dir = mkdtempSync(join(tmpdir(), 'claimline-links-'));
  mkdirSync(join(dir, 'native/lib'), { recursive: true });
  writeFileSync(join(dir, 'native/lib/libpq.so.5.18'), '');
  const links = ['libpq.so', 'libpq.so.5'].map(name => ({
    source: 'native/lib/libpq.so.5.18',
    target: `native/lib/${name}`,
  }));
  writeFileSync(join(dir, 'native/pg-symlinks.json'), JSON.stringify(links));
  completeLinks(dir);
  completeLinks(dir);
  expect(readlinkSync(join(dir, 'native/lib/libpq.so.5'))).toBe('libpq.so.5.18');
  rmSync(dir, { recursive: true });
});
