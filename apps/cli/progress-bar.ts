import type { Progress } from '@claimline/db/checks';

export const progressLimits = {
  cells: 24,
  /** Least time between two drawings. */
  everyMs: 100,
  /** Least time between two lines where there is no terminal, and before the first. */
  lineEveryMs: 10_000,
} as const;

/**
 * How far a command has come, on standard error: a bar where that is a terminal, which `clear` takes away, and a plain
 * line now and then for logs.
 */
export function openProgressBar(out: Pick<NodeJS.WriteStream, 'isTTY' | 'write'> = process.stderr): {
  onProgress: Progress;
  clear(): void;
} {
  const everyMs = out.isTTY ? progressLimits.everyMs : progressLimits.lineEveryMs;
  let shownMs = out.isTTY ? Number.NEGATIVE_INFINITY : performance.now();
  let latest: Parameters<Progress> = [0, 0, ''];
  let timer: ReturnType<typeof setTimeout> | undefined;

  function show() {
    timer = undefined;
    shownMs = performance.now();
    const [done, total, what] = latest;
    const text = `${done}/${total} ${what}`;
    const full = Math.round((progressLimits.cells * done) / Math.max(1, total));
    const bar = `${'█'.repeat(full)}${'░'.repeat(progressLimits.cells - full)}`;
    out.write(out.isTTY ? `\r\x1b[K${bar} ${text}` : `${text}\n`);
  }

  return {
    // What comes too soon is shown later, unless something newer has come: a step may take minutes.
    onProgress(...step) {
      latest = step;
      timer ??= setTimeout(show, Math.max(0, shownMs + everyMs - performance.now()));
      timer.unref();
    },
    clear() {
      clearTimeout(timer);
      timer = undefined;
      if (out.isTTY) out.write('\r\x1b[K');
    },
  };
}
