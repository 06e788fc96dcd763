import type { Progress } from '@claimline/db/checks';

const limits = {
  cells: 24,
  /** Least time between two drawings. */
  everyMs: 100,
} as const;

/** A bar on standard error, where that is a terminal; `clear` takes it away. */
export function openProgressBar(out: NodeJS.WriteStream = process.stderr): {
  onProgress: Progress;
  clear(): void;
} {
  let drawnMs = Number.NEGATIVE_INFINITY;
  return {
    onProgress(done, total, what) {
      if (!out.isTTY || performance.now() - drawnMs < limits.everyMs) return;
      drawnMs = performance.now();
      const full = Math.round((limits.cells * done) / Math.max(1, total));
      out.write(`\r\x1b[K${'█'.repeat(full)}${'░'.repeat(limits.cells - full)} ${done}/${total} ${what}`);
    },
    clear() {
      if (out.isTTY) out.write('\r\x1b[K');
    },
  };
}
