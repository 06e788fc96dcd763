import { randomUUID } from 'node:crypto';
import { nameParams } from '@claimline/coupons';
import type { Sql } from '@claimline/db/pool';
import { reply } from '@claimline/http/reply';
import { prefersAsync, type Router } from '@claimline/http/router';
import { AppError } from '@claimline/kernel/error';
import { z } from 'zod';
import { codeLimits } from './code.ts';
import { readCsv } from './csv.ts';
import { workOnRun } from './generate.ts';
import { recipeFields, toRecipe } from './recipe.ts';
import { beginRun, type RunRow, readRun, runSchema, toRun } from './runs.ts';
import { checkList, uploadCodes, uploadLimits } from './upload.ts';

export const bookHttpLimits = {
  /** The largest JSON body of an upload. It is held in memory; what is larger goes by text/csv. */
  jsonBytes: 8 * 1024 * 1024,
  /** How long filling a book takes by intent: 1,000,000 codes with others at work. */
  fillMs: 120_000,
} as const;

const codesField = z
  .array(z.unknown(), { error: 'must be a list of codes' })
  .min(1, 'must not be empty')
  .meta({ items: { type: 'string', maxLength: codeLimits.lengthMost } });

type House = { sql: Sql; onError: (error: Error) => void; stopping: AbortSignal };

/**
 * Filling books. When the process is `stopping` it fills none to its end: a run is left to a worker, and what an
 * upload has stored is skipped when it is sent again.
 */
export function mountBooks(router: Router, house: House) {
  mountGenerating(router, house);
  mountUploading(router, house);
}

function mountGenerating(router: Router, { sql, onError, stopping }: House) {
  router.add(
    {
      method: 'post',
      path: '/api/coupons/{name}/codes/generate',
      id: 'generateCodes',
      tag: 'Codes',
      summary: "Fill a coupon's book with new codes",
      description:
        'Characters come from a cryptographic source. With an Idempotency-Key, or the run of a 202, what a crash broke off is carried on and makes exactly what is missing.',
      access: 'keyed',
      params: nameParams,
      headers: z.object({
        prefer: z.string().optional().describe('respond-async: answer 202 at once, with a run to look at.'),
      }),
      body: z.strictObject(recipeFields),
      idempotent: { reference: async () => randomUUID(), waitMs: () => bookHttpLimits.fillMs },
      answers: {
        201: {
          description: 'The codes are in the book; skipped were drawn and existed already',
          schema: z.object({ created: z.int(), skipped: z.int() }),
        },
        202: { description: 'With `Prefer: respond-async`: the run', schema: runSchema },
      },
      problems: ['coupon_not_found', 'coupon_has_claims', 'codes_exhausted'],
    },
    async ({ c, params, body, run }) => {
      const recipe = toRecipe(body);
      const id = run?.reference ?? randomUUID();
      await beginRun(sql, { id, couponName: params.name, recipe, quantity: body.quantity });
      if (prefersAsync(c)) {
        workOnRun(sql, id, { stopping }).catch(onError); // A worker carries it on if this process ends before it.
        return reply(c, 202, toRun(await readRun(sql, id)), {
          Location: `/api/code-runs/${id}`,
          'Retry-After': '1',
          'Preference-Applied': 'respond-async',
        });
      }
      return reply(c, 201, countsOf(await workOnRun(sql, id, { stopping })));
    },
  );

  router.add(
    {
      method: 'get',
      path: '/api/code-runs/{run_id}',
      id: 'readCodeRun',
      tag: 'Codes',
      summary: 'How far a run that generates codes is',
      access: 'keyed',
      params: z.object({ run_id: z.string() }),
      answers: { 200: { description: 'The run', schema: runSchema } },
      problems: ['run_not_found'],
    },
    async ({ c, params }) => reply(c, 200, toRun(await readRun(sql, params.run_id))),
  );
}

/** What a run came to, once it is done. */
function countsOf({ id, status, quantity, created, skipped }: RunRow) {
  if (status === 'running')
    throw new AppError(
      'unavailable',
      `the run ${id} is under way: look at it, or ask again with the same Idempotency-Key`,
      { retryAfterSeconds: 5 },
    );
  if (created < quantity)
    throw new AppError(
      'codes_exhausted',
      `only ${created} of ${quantity} could be created: nearly all codes of this form exist`,
      { extra: { created, skipped } },
    );
  return { created, skipped };
}

function mountUploading(router: Router, { sql, stopping }: House) {
  router.add(
    {
      method: 'post',
      path: '/api/coupons/{name}/codes',
      id: 'uploadCodes',
      tag: 'Codes',
      summary: "Put codes of your own into a coupon's book",
      description: `At most ${uploadLimits.codesMost} at once. As text/csv, the first field of each line, under a heading code or none; it is stored as it arrives, so a mistake leaves what stands before it stored, which created and skipped in the problem count. A mistake in JSON is found before anything is stored. What is stored already is skipped, in whichever book it is, so an upload that broke off is simply sent again; an Idempotency-Key is heeded with JSON only, and refused with text/csv.`,
      access: 'keyed',
      params: nameParams,
      body: z.strictObject({ codes: codesField }),
      bodyBytes: bookHttpLimits.jsonBytes,
      stream: 'text/csv',
      idempotent: { reference: async () => null, waitMs: () => bookHttpLimits.fillMs },
      answers: {
        201: {
          description: 'The codes are in the book',
          schema: z.object({
            created: z.int(),
            skipped: z.int(),
            duplicates: z
              .array(z.string())
              .describe(`The first ${uploadLimits.duplicatesMost} that were skipped.`),
          }),
        },
      },
      problems: ['coupon_not_found', 'coupon_has_claims'],
    },
    async ({ c, params, body }) => {
      const codes = body === undefined ? readCsv(sent(c.env.incoming, stopping)) : checkList(body.codes);
      return reply(c, 201, await uploadCodes(sql, params.name, codes, { stopping }));
    },
  );
}

/**
 * The body as it comes, for as long as the process is not stopping: the next piece may be long in coming. What breaks
 * it off is the client's: Node gives it the code that a lost database has, too.
 */
async function* sent(incoming: AsyncIterable<Buffer>, stopping: AbortSignal): AsyncGenerator<Buffer> {
  const pieces = incoming[Symbol.asyncIterator]();
  let stop = () => {};
  const stopped = new Promise<null>(resolve => {
    stop = () => resolve(null);
  });
  stopping.addEventListener('abort', stop);
  try {
    while (!stopping.aborted) {
      const piece = await Promise.race([pieces.next(), stopped]);
      if (piece?.done) return;
      if (piece) yield piece.value;
    }
  } catch (cause) {
    throw new AppError('invalid_request', 'the request was cut off', { cause });
  } finally {
    stopping.removeEventListener('abort', stop);
    // Whoever is told why is heard out a little; to give the body up would break the connection.
    if (!stopping.aborted) await pieces.return?.();
  }
  stopping.throwIfAborted();
}
