import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const repository = fileURLToPath(new URL('../../', import.meta.url));
const logLinesKept = 400;

/** What still runs when this process exits, goes with it. */
const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

let isApart = false;

/**
 * From now on children are in process groups of their own: what a terminal says to ours, such as Ctrl-C, does not
 * reach them. Whoever calls this ends on signals by `process.exit`, so that children go with it.
 */
export function keepChildrenApart(): void {
  isApart = true;
}

/** How a process ended: exactly one of the two is set. */
export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** A process of ours. */
export interface Child {
  name: string;
  pid: number;
  /** Settles when the process has ended. */
  exited: Promise<Exit>;
  /** The end, when it has ended. */
  exit: Exit | undefined;
  /** Whether we asked it to end; an end that nobody asked for is a crash. */
  asked: boolean;
  /** The last lines of its output, oldest first. */
  lines: string[];
  /**
   * Sends a signal. SIGTERM and SIGKILL answer how and when the process ended; SIGSTOP and SIGCONT at once.
   * A process that has ended already answers its end.
   */
  signal(signal: NodeJS.Signals): Promise<Exit | undefined>;
}

/**
 * Starts a program from the root of the repository.
 * @param env its whole environment, so that a developer's own settings change no test; left out, it inherits ours.
 */
export function startChild(
  name: string,
  program: string,
  args: string[],
  env?: Record<string, string>,
): Child {
  const process_ = spawn(program, args, {
    cwd: repository,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: isApart,
    ...(env && { env }),
  });
  running.add(process_);
  const lines: string[] = [];
  keepLines(process_, lines);
  const child: Child = {
    name,
    pid: process_.pid ?? 0,
    exit: undefined,
    asked: false,
    lines,
    exited: new Promise(resolve => {
      process_.once('error', error => {
        lines.push(`could not start: ${error.message}`);
        resolve(ended({ code: -1, signal: null }));
      });
      process_.once('exit', (code, signal) => resolve(ended({ code, signal })));
    }),
    async signal(signal) {
      if (child.exit) return child.exit;
      const lasting = signal === 'SIGSTOP' || signal === 'SIGCONT';
      if (!lasting) child.asked = true;
      process_.kill(signal);
      return lasting ? undefined : child.exited;
    },
  };
  function ended(exit: Exit): Exit {
    running.delete(process_);
    child.exit = exit;
    return exit;
  }
  return child;
}

function keepLines(process_: ChildProcess, lines: string[]): void {
  for (const stream of [process_.stdout, process_.stderr]) {
    let rest = '';
    stream?.setEncoding('utf8').on('data', (text: string) => {
      const parts = (rest + text).split('\n');
      rest = parts.pop() ?? '';
      lines.push(...parts);
      if (lines.length > logLinesKept) lines.splice(0, lines.length - logLinesKept);
    });
    stream?.on('end', () => rest && lines.push(rest));
  }
}
