/** Something that was opened and must be closed; `name` is for the log. */
type Closer = { name: string; close: () => unknown };

/**
 * A stack of closers: whoever opens something pushes how to close it, and stopping runs the
 * stack from the newest to the oldest. One that fails does not keep the others from running.
 */
export function createClosers(onError: (name: string, error: unknown) => void) {
  const stack: Closer[] = [];
  let closing: Promise<void> | undefined;

  async function run() {
    for (let closer = stack.pop(); closer; closer = stack.pop()) {
      try {
        await closer.close();
      } catch (error) {
        onError(closer.name, error);
      }
    }
  }

  return {
    push(name: string, close: () => unknown) {
      stack.push({ name, close });
    },
    /** Closes everything once; later calls wait for the same run. */
    close(): Promise<void> {
      closing ??= run();
      return closing;
    },
  };
}

export type Closers = ReturnType<typeof createClosers>;
