import type { Engine } from '../stack.ts';
import { openArena } from './arena.ts';
import type { Fault, Row, Size } from './fault.ts';
import type { Stacks } from './stacks.ts';
import { verifyTables } from './verify-tables.ts';

/** Of each process: one that is loud would leave nothing of the others. */
const logLines = 12;
const logCharacters = 400;

/** How a fault is run. */
export interface Run {
  engine: Engine;
  size: Size;
  seed: number;
  /** Shows progress. */
  say: (line: string) => void;
}

/**
 * Runs one fault and answers its row. What the fault throws is a finding; after any finding the stack is
 * stopped, so that the next fault has a fresh one, and the end of its processes' logs is shown.
 */
export async function runFault(fault: Fault, stacks: Stacks, { engine, size, seed, say }: Run): Promise<Row> {
  const startedMs = performance.now();
  const stack = await stacks.get(fault, engine, size);
  const arena = openArena(fault, stack, { seed, size, say });
  const { row, finding } = arena;
  try {
    await fault.run(arena);
    await verifyTables(arena);
  } catch (error) {
    finding(error instanceof Error ? `${error.message}${causeOf(error)}` : String(error));
  } finally {
    await arena.close();
  }
  for (const crashed of stack.crashed()) finding(`${crashed} ended by itself`);
  if (row.findings.length > 0) {
    say(logsOf(stacks));
    await stacks.stop().catch(() => {}); // What had ended is among the findings.
  }
  row.tookMs = Math.round(performance.now() - startedMs);
  return row;
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

function causeOf({ cause }: Error): string {
  return cause instanceof Error ? `: ${cause.message}` : '';
}
