import type { Sql } from '@claimline/db/pool';
import { AppError } from '@claimline/kernel/error';
import { z } from 'zod';
import type { Recipe } from './recipe.ts';
import { assertOpen, storeLimits } from './store.ts';

/** A run that generates codes. */
export type RunRow = {
  id: string;
  coupon_name: string;
  recipe: Recipe;
  quantity: number;
  created: number;
  skipped: number;
  status: 'running' | 'done';
  started_at: Date;
  finished_at: Date | null;
};

const runColumns = (sql: Sql) =>
  sql`id, coupon_name, recipe, quantity, created, skipped, status, started_at, finished_at`;

/** A run as the API shows it. */
export const runSchema = z
  .object({
    run_id: z.string(),
    coupon_name: z.string(),
    status: z.enum(['running', 'done']),
    quantity: z.int(),
    created: z.int(),
    skipped: z.int(),
    started_at: z.iso.datetime(),
    finished_at: z.iso.datetime().nullable(),
  })
  .meta({ id: 'CodeRun' });

export function toRun(row: RunRow): z.output<typeof runSchema> {
  const { id, recipe: _, started_at, finished_at, ...counts } = row;
  return {
    ...counts,
    run_id: id,
    started_at: started_at.toISOString(),
    finished_at: finished_at?.toISOString() ?? null,
  };
}

/** Begins a run that nobody works on yet; one that was begun before stays as it is. Errors: those of storeCodes. */
export async function beginRun(
  sql: Sql,
  { id, couponName, recipe, quantity }: { id: string; couponName: string; recipe: Recipe; quantity: number },
): Promise<void> {
  await assertOpen(sql, couponName);
  await sql`
    insert into code_runs (id, coupon_name, recipe, quantity)
    values (${id}, ${couponName}, ${sql.json(recipe)}, ${quantity})
    on conflict (id) do nothing`;
}

/** Takes a run for its lease, or answers null where somebody else works on it, or it is done. */
export async function leaseRun(sql: Sql, id: string): Promise<RunRow | null> {
  const [run] = await sql<RunRow[]>`
    update code_runs set leased_until = now() + ${storeLimits.leaseS} * interval '1 s'
    where id = ${id} and status = 'running' and leased_until <= now()
    returning ${runColumns(sql)}`;
  return run ?? null;
}

/** Lets a run go before its end, so that anybody may carry it on at once; answers it as it stands. */
export async function releaseRun(sql: Sql, id: string): Promise<RunRow> {
  await sql`update code_runs set leased_until = now() where id = ${id} and status = 'running'`;
  return readRun(sql, id);
}

export async function finishRun(sql: Sql, id: string): Promise<void> {
  await sql`update code_runs set status = 'done', finished_at = now() where id = ${id} and status = 'running'`;
}

/** Error: `run_not_found`. */
export async function readRun(sql: Sql, id: string): Promise<RunRow> {
  const [run] = z.uuid().safeParse(id).success
    ? await sql<RunRow[]>`select ${runColumns(sql)} from code_runs where id = ${id}`
    : [];
  if (!run) throw new AppError('run_not_found', 'run not found');
  return run;
}
