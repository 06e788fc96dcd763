import { existsSync } from 'node:fs';
import type { Arena } from './arena.ts';

/** Runs `claimline verify` on the database of the stack: what it finds wrong is a finding. */
export async function verifyTables({ stack, finding }: Arena): Promise<void> {
  if (!existsSync('apps/cli/verify.ts')) return;
  const { code, lines } = await stack.runCommand('verify', '--json');
  if (code !== 0) finding(`claimline verify ended with ${code}: ${lines.join(' ').slice(-1_000)}`);
}
