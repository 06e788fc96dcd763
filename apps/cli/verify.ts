import { type Report, verify } from '../verify.ts';
import { openProgressBar } from './progress-bar.ts';
import { requireCoupon, withStores } from './stores.ts';

type Options = { coupon?: string; json?: true; tables?: true; strict?: true };

/**
 * `claimline verify`: prints a line an invariant, or the report as JSON. Answers 0 when all hold, 1 when
 * one is violated (or noted, with --strict).
 * @throws Error when it could not be checked
 */
export async function runVerify({ coupon: name, json, tables, strict }: Options): Promise<0 | 1> {
  const bar = openProgressBar();
  const report = await withStores(async ({ config, databaseUrl, sql, openQueue }) => {
    const coupon = await requireCoupon(sql, name);
    const stores = tables ? null : { sql, engine: await openQueue(), mendSeconds: config.MEND_SECONDS };
    return verify({ databaseUrl, stores }, { coupon, onProgress: bar.onProgress });
  }).finally(bar.clear);
  process.stdout.write(json ? `${JSON.stringify(report)}\n` : describeReport(report));
  const isNoted = report.invariants.some(one => one.notes > 0);
  return report.ok && !(strict && isNoted) ? 0 : 1;
}

/** One line an invariant, and below it the rows that show a violation or a note. */
export function describeReport({ invariants, ok, seconds }: Report): string {
  const width = Math.max(...invariants.map(one => one.name.length));
  const lines = invariants.flatMap(one => {
    const state = one.violations > 0 ? `violated ${one.violations}` : 'ok';
    const notes = one.notes > 0 ? `, ${one.notes} noted` : '';
    return [
      `${one.name.padEnd(width)}  ${state}${notes}  (${one.title})`,
      ...one.rows.map(row => `    ${JSON.stringify(row)}`),
      ...one.noteRows.map(row => `    noted: ${JSON.stringify(row)}`),
    ];
  });
  const violated = invariants.filter(one => one.violations > 0).length;
  const sum = ok ? 'every invariant holds' : `${violated} of ${invariants.length} invariants are violated`;
  return `${lines.join('\n')}\n${sum}, checked in ${seconds} s\n`;
}
