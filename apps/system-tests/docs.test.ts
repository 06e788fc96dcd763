import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Receiver, startReceiver } from '@claimline/http/testing-receiver';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { onEachEngine } from './engines.ts';

const END = '--- end of a block ---';

/** A command of a document, with the JSON that it prints where the document shows it. */
type Step = { command: string; printed: unknown };

async function readSteps(path: string): Promise<Step[]> {
  const text = await readFile(new URL(`../../${path}`, import.meta.url), 'utf8');
  return [...text.matchAll(/```sh\n([\s\S]*?)```(?:\s*```json\n([\s\S]*?)```)?/g)].map(
    ([, command = '', json]) => ({ command, printed: json && JSON.parse(json) }),
  );
}

/** What a pattern of a document stands for: "..." is anything, and as a name it allows other fields. */
function toMatcher(pattern: unknown): unknown {
  if (pattern === '...') return expect.anything();
  if (Array.isArray(pattern)) return pattern.map(toMatcher);
  if (typeof pattern !== 'object' || pattern === null) return pattern;
  const { '...': isOpen, ...fields } = pattern as Record<string, unknown>;
  const matchers = Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, toMatcher(value)]),
  );
  return isOpen === undefined ? matchers : expect.objectContaining(matchers);
}

let receiver: Receiver;
beforeAll(async () => {
  receiver = await startReceiver();
});
afterAll(() => receiver.close());

onEachEngine(
  { env: { WEBHOOK_ALLOW_HOSTS: '127.0.0.1' } },
  stack => {
    test.each([
      ['docs/codes.md', 11],
      ['docs/seats.md', 8],
      ['docs/validations.md', 10],
      ['docs/webhooks.md', 4],
      ['docs/payments.md', 4],
    ])('%s: every command prints what stands there', async (path, least) => {
      const steps = await readSteps(path);
      const script = steps.map(({ command }) => `${command}\necho; echo '${END}'`).join('\n');
      const cwd = await mkdtemp(join(tmpdir(), 'claimline-docs-'));
      const here = script
        .replaceAll('http://localhost:3000', stack().api)
        .replaceAll('http://127.0.0.1:9000', new URL(receiver.url).origin);
      const { stdout } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', here], { cwd });
      await rm(cwd, { recursive: true });
      const outputs = stdout.split(`${END}\n`).map(output => output.trim());
      expect(steps.length).toBeGreaterThanOrEqual(least);
      for (const [i, { command, printed }] of steps.entries())
        if (printed) expect(JSON.parse(outputs[i] ?? ''), command).toEqual(toMatcher(printed));
    });
  },
  ['postgres'],
);
