import { expect } from 'vitest';
import { startChild } from './child.ts';
import type { Stack } from './stack.ts';

/** What the report says of an invariant. */
interface Verdict {
  name: string;
  violations: number;
  notes: number;
  rows: unknown[];
  noteRows: unknown[];
}

/**
 * Has the operator's own command prove every invariant of a coupon that nobody touched by hand: tables,
 * queue and gate. What a fault has left in flight has its time to settle down (12 s).
 */
export async function expectVerified(stack: Stack, couponName: string): Promise<void> {
  const args = [
    '--import',
    'tsx',
    'apps/cli/main.ts',
    'verify',
    '--strict',
    '--json',
    '--coupon',
    couponName,
  ];
  const child = startChild('verify', process.execPath, args, stack.environment);
  const { code } = await child.exited;
  const said = child.lines.join('\n');
  if (code !== 0 && code !== 1) throw new Error(`verify ended with ${code}:\n${said}`);
  const { invariants } = JSON.parse(said) as { invariants: Verdict[] };
  expect(invariants.length).toBeGreaterThan(0);
  expect(invariants.filter(one => one.violations + one.notes > 0)).toEqual([]);
  expect(code).toBe(0);
}
