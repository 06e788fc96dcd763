import { randomUUID } from 'node:crypto';
import { createReadStream, statSync } from 'node:fs';
import { beginRun, readCsv, readRun, recipeFields, toRecipe, uploadCodes, workOnRun } from '@claimline/codes';
import { assertSchema } from '@claimline/db/migrate';
import { closePool, openPool, type Sql } from '@claimline/db/pool';
import { parseFields } from '@claimline/http/fields';
import { AppError } from '@claimline/kernel/error';
import cliProgress from 'cli-progress';
import { z } from 'zod';
import { readConfig } from '../config.ts';
import { requireDatabaseUrl } from '../process.ts';

export type GenerateOptions = {
  quantity: string;
  prefix?: string;
  length?: string;
  alphabet?: string;
  pattern?: string;
  run?: string;
};

/** `claimline codes generate`: fills a coupon's book, and with the id of a run carries it on. */
export async function generateCodes(couponName: string, options: GenerateOptions): Promise<void> {
  const { run = randomUUID(), quantity, length, ...texts } = options;
  const numbers = { quantity: Number(quantity), ...(length !== undefined && { length: Number(length) }) };
  const wish = parseOptions({ ...texts, ...numbers });
  if (!z.uuid().safeParse(run).success) throw new Error('--run must be the id of a run');
  await withDatabase(async sql => {
    await beginRun(sql, { id: run, couponName, recipe: toRecipe(wish), quantity: wish.quantity });
    const { coupon_name, quantity } = await readRun(sql, run);
    if (coupon_name !== couponName) throw new Error(`--run ${run} fills the book of "${coupon_name}"`);
    process.stderr.write(`To carry it on should it break off, add --run ${run}\n`);
    const { created, skipped, status } = await withBar(quantity, show =>
      workOnRun(sql, run, { onBatch: done => show(done.created) }),
    );
    if (status === 'running') throw new Error('somebody else works on this run, try again in a minute');
    process.stdout.write(`created ${created}, skipped ${skipped}\n`);
    if (created < quantity)
      throw new Error(`only ${created} of ${quantity} could be created: nearly all codes of this form exist`);
  });
}

/** `claimline codes upload`: puts the codes of a CSV file into a coupon's book. */
export async function uploadFile(couponName: string, file: string): Promise<void> {
  const { size } = statSync(file);
  let bytes = 0;
  async function* chunks() {
    for await (const chunk of createReadStream(file)) {
      bytes += (chunk as Buffer).length;
      yield chunk as Buffer;
    }
  }
  await withDatabase(async sql => {
    const { created, skipped } = await withBar(size, show =>
      uploadCodes(sql, couponName, readCsv(chunks()), { onBatch: () => show(bytes) }),
    );
    process.stdout.write(`created ${created}, skipped ${skipped}\n`);
  });
}

/** The options as the API would read them. Error: one that names every wrong one. */
function parseOptions(options: unknown) {
  try {
    return parseFields(z.strictObject(recipeFields), options);
  } catch (error) {
    const fields = error instanceof AppError ? error.problem.errors : undefined;
    if (!fields) throw error;
    throw new Error(fields.map(({ path, message }) => `--${path} ${message}`).join('; '));
  }
}

async function withDatabase(work: (sql: Sql) => Promise<void>): Promise<void> {
  const url = requireDatabaseUrl(readConfig());
  const sql = openPool({ url, applicationName: 'claimline codes', max: 1 });
  try {
    await assertSchema(sql);
    await work(sql);
  } finally {
    await closePool(sql);
  }
}

/** Works under a bar on standard error, where somebody is there to see it. */
async function withBar<T>(total: number, work: (show: (done: number) => void) => Promise<T>): Promise<T> {
  const bar = new cliProgress.SingleBar(
    {
      format: ' {bar} {percentage} % | about {eta_formatted} left',
      stream: process.stderr,
      noTTYOutput: false,
    },
    cliProgress.Presets.shades_classic,
  );
  bar.start(total, 0);
  try {
    return await work(done => bar.update(done));
  } finally {
    bar.stop(); // Its timer would keep the command from ending.
  }
}
