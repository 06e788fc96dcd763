import { existsSync } from 'node:fs';
import type { Arena } from './arena.ts';

const command = new URL('../../cli/verify.ts', import.meta.url);

/** Runs `claimline verify` on the tables of the stack, where there is that command: a violation is a finding. */
export async function verifyTables({ stack, finding }: Arena): Promise<void> {
  if (!existsSync(command)) return;
  const { code, lines } = await stack.runCommand('verify', '--json', '--tables');
  if (code !== 0) finding(`claimline verify ended with ${code}: ${lines.join(' ').slice(-1_000)}`);
}
