import type { Arena } from './arena.ts';

/**
 * Runs the operator's `claimline verify` on the stores of the stack, the tables and gate and queue against them:
 * a violation is a finding.
 */
export async function verifyTables({ stack, finding }: Arena): Promise<void> {
  const { code, lines } = await stack.runCommand('verify', '--json');
  if (code !== 0) finding(`claimline verify ended with ${code}: ${violationsOf(lines)}`);
}

/** What is violated, of a report in JSON; the end of what was said where there is none. */
function violationsOf(lines: readonly string[]): string {
  type Report = { invariants: { name: string; violations: number; rows: unknown[] }[] };
  for (const line of lines)
    try {
      const { invariants } = JSON.parse(line) as Report;
      return JSON.stringify(invariants.filter(one => one.violations > 0)).slice(0, 1_000);
    } catch {} // A line of a log.
  return lines.join(' ').slice(-1_000);
}
