import { type Stack, type StackPlan, startStack } from '../stack.ts';

/** One API and one worker process on stores of their own. */
const SMALLEST: StackPlan = {
  echo: false,
  rowlock: false,
  apis: 1,
  workers: 1,
  profiled: false,
  keepFolder: false,
};

/** Does something on a fresh stack, with what differs from the smallest, and stops the stack. */
export async function onStack<Result>(
  differences: Partial<StackPlan>,
  use: (stack: Stack) => Promise<Result>,
): Promise<Result> {
  const stack = await startStack({ ...SMALLEST, ...differences });
  try {
    return await use(stack);
  } finally {
    await stack.stop();
  }
}
