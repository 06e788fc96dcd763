import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { sqlFile } from './sql-file.ts';

test('reads a file beside the module, and says which one is missing', () => {
  const dir = mkdtempSync(join(tmpdir(), 'claimline-sql-'));
  writeFileSync(join(dir, 'one.sql'), 'select 1;\n');
  const module = pathToFileURL(join(dir, 'module.ts')).href;
  expect(sqlFile(module, './one.sql')).toBe('select 1;\n');
  expect(() => sqlFile(module, './two.sql')).toThrow('two.sql');
  rmSync(dir, { recursive: true });
});
