import { awaitUntil } from '../await-until.ts';
import { type Engine, type Stack, type StackOptions, startStack } from '../stack.ts';
import type { Fault, Size } from './fault.ts';

const processes = { apis: 2, workers: 3 };
const healthyWithinMs = 45_000;

/** Two APIs and three workers whose ways to the stores can be held up; the board may write. */
const usualStack: Omit<StackOptions, 'engine'> = {
  ...processes,
  hasWays: true,
  env: { BOARD_WRITABLE: 'on' },
};

/** One stack at a time, kept for the next fault when that needs the same and nothing went wrong on it. */
export interface Stacks {
  get(fault: Fault, engine: Engine, size: Size): Promise<Stack>;
  /** The last lines of every process of the stack that runs. */
  logs(): string;
  stop(): Promise<void>;
}

/** Starts stacks as they are needed. */
export function openStacks(): Stacks {
  let running: { key: string; stack: Stack } | undefined;
  const stacks: Stacks = {
    async get(fault, engine, size) {
      const options = { ...(fault.stack?.(size) ?? usualStack), engine };
      const key = JSON.stringify([options, fault.stack?.toString()]);
      if (running?.key === key) {
        await makeWhole(running.stack, options);
        return running.stack;
      }
      await stacks.stop();
      const stack = await startStack(options);
      running = { key, stack };
      return stack;
    },
    logs: () => running?.stack.logs() ?? '',
    async stop() {
      const stopping = running?.stack;
      running = undefined;
      await stopping?.stop();
    },
  };
  return stacks;
}

/** Starts the processes again that a fault left dead. */
async function makeWhole(stack: Stack, { apis = 1, workers = 1 }: StackOptions): Promise<void> {
  while (stack.living().apis.length < apis) await stack.startApi();
  while (stack.living().workers.length < workers) stack.startWorker();
  const { get } = stack.client();
  await awaitUntil(
    'the stack to be healthy',
    async () => (await get('/health')).status === 200,
    healthyWithinMs,
  );
}
