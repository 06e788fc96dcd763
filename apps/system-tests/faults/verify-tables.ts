import type { Arena } from './arena.ts';

/** Runs the operator's `claimline verify` on the tables of the stack: a violation is a finding. */
export async function verifyTables({ stack, finding }: Arena): Promise<void> {
  const { code, lines } = await stack.runCommand('verify', '--json', '--tables');
  if (code !== 0) finding(`claimline verify ended with ${code}: ${lines.join(' ').slice(-1_000)}`);
}
