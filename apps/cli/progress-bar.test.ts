import { withLimits } from '@claimline/queue/testing';
import { expect, test } from 'vitest';
import { openProgressBar, progressLimits } from './progress-bar.ts';

/** A standard error that remembers what was written to it. */
function openErrorOutput(isTTY: boolean) {
  const written: string[] = [];
  return { isTTY, written, write: (text: string) => written.push(text) > 0 };
}

test('without a terminal: a line now and then, with the newest step', async () => {
  const out = openErrorOutput(false);
  await withLimits(progressLimits, { lineEveryMs: 20 }, async () => {
    const { onProgress, clear } = openProgressBar(out);
    onProgress(1, 9, 'one');
    onProgress(2, 9, 'two');
    expect(out.written).toEqual([]);
    await expect.poll(() => out.written).toEqual(['2/9 two\n']);
    onProgress(3, 9, 'three');
    clear();
    const other = openProgressBar(out);
    other.onProgress(4, 9, 'four');
    await expect.poll(() => out.written).toEqual(['2/9 two\n', '4/9 four\n']);
  });
});

test('on a terminal: a bar that shows the step that goes on, also one that came right after another', async () => {
  const out = openErrorOutput(true);
  const { onProgress, clear } = openProgressBar(out);
  onProgress(1, 2, 'first');
  await expect.poll(() => out.written.join('')).toContain(' 1/2 first');
  onProgress(2, 2, 'long');
  await expect.poll(() => out.written.join('')).toContain(' 2/2 long');
  clear();
  expect(out.written.at(-1)).toBe('\r\x1b[K');
});
