import { type DeadLetter, listDeadLetters, replayDeadLetters } from '@claimline/validations';
import { withStores } from './stores.ts';

type Options = { replay?: true; json?: true };

/**
 * `claimline validations dead-letters`: prints the batches of attempts that could not be written, and with
 * --replay writes them. Answers 0 when none is left, 1 when some are.
 */
export function runDeadLetters({ replay, json }: Options): Promise<0 | 1> {
  return withStores(async ({ config, sql }) => {
    if (replay) await replayDeadLetters(sql, config.DATA_DIR, tellReplay);
    const left = await listDeadLetters(sql, config.DATA_DIR);
    if (json) process.stdout.write(`${JSON.stringify(left)}\n`);
    else {
      for (const letter of left) process.stdout.write(`${describe(letter)}: ${letter.error}\n`);
      const attempts = left.reduce((sum, letter) => sum + letter.attempts, 0);
      process.stdout.write(`${left.length} dead letters with ${attempts} attempts\n`);
    }
    return left.length === 0 ? 0 : 1;
  });
}

function tellReplay(letter: DeadLetter, written: number, failure?: Error): void {
  const outcome = failure ? `not replayed: ${failure.message}` : `replayed, ${written} written`;
  process.stderr.write(`${describe(letter)} ${outcome}\n`);
}

function describe({ id, place, attempts, createdAt }: DeadLetter): string {
  return `${createdAt.toISOString()} ${id} (${place}, ${attempts} attempts)`;
}
