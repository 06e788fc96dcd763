import { withDeadline } from '@claimline/kernel/backoff';
import type { Stack } from '../stack.ts';
import { addFinding, newRow, openArena } from './arena.ts';
import type { Fault, Row, Run } from './fault.ts';
import type { Stacks } from './stacks.ts';
import { verifyTables } from './verify-tables.ts';

/** The stack that is kept, and a fresh one. */
const stackTries = 2;
/** A fault that takes longer stands still: several times what one takes on a busy machine. */
const withinMs = { short: 150_000, usual: 600_000, full: 3_600_000 };
/** Its crowd has requests under way that are given up after a minute. */
const leftWithinMs = 70_000;
/** Of each process: one that is loud would leave nothing of the others. */
const logLines = 12;
const logCharacters = 400;

/**
 * Runs one fault and answers its row, whatever happens. What the fault throws is a finding, and so is a stack that does
 * not start or come back, and a fault that stands still. After any finding the stack is stopped, so that the next
 * fault has a fresh one, and the end of its processes' logs is shown.
 */
export async function runFault(fault: Fault, stacks: Stacks, run: Run): Promise<Row> {
  const startedMs = performance.now();
  const row = newRow(fault, run);
  const stack = await getStack(fault, stacks, row, run);
  if (stack) await runOn(stack, fault, row, run);
  if (row.findings.length > 0) {
    run.say(logsOf(stacks));
    await stacks.stop().catch(() => {}); // What had ended is among the findings.
  }
  row.tookMs = Math.round(performance.now() - startedMs);
  return row;
}

/** Where the stack of the fault before is not whole again, that is a finding, and there is a fresh one. */
async function getStack(fault: Fault, stacks: Stacks, row: Row, run: Run): Promise<Stack | undefined> {
  for (let tries = 0; tries < stackTries; tries++)
    try {
      return await stacks.get(fault, run.engine, run.size);
    } catch (error) {
      addFinding(row, `there was no stack: ${sentenceOf(error)}`);
      run.say(logsOf(stacks));
      await stacks.stop().catch(() => {});
    }
  return undefined;
}

async function runOn(stack: Stack, fault: Fault, row: Row, run: Run): Promise<void> {
  const arena = openArena(fault, stack, row, run);
  try {
    const work = fault.run(arena).then(() => verifyTables(arena));
    await withDeadline(fault.id, withinMs[run.size], work);
  } catch (error) {
    arena.finding(sentenceOf(error));
  }
  await withDeadline('the crowd', leftWithinMs, arena.close()).catch(error =>
    arena.finding(sentenceOf(error)),
  );
  for (const crashed of stack.crashed()) arena.finding(`${crashed} ended by itself`);
}

/** The end of each process's log, each line cut to what tells it from others. */
function logsOf(stacks: Stacks): string {
  const processes = stacks.logs().split(/^(?=--- )/m);
  return processes
    .map(log => {
      const [name = '', ...lines] = log.trimEnd().split('\n');
      return [name, ...lines.slice(-logLines).map(line => line.slice(0, logCharacters))].join('\n');
    })
    .join('\n');
}

function sentenceOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}
