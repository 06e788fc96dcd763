import type { Row } from './fault.ts';

const columns = [
  'fault',
  'what',
  'engine',
  'attempts',
  'granted',
  'refused',
  'lost places',
  'grants lost',
  'doubled',
  'injections',
  'recovery median, max',
  'seed',
  'took',
  'held',
] as const;

/** The rows as a Markdown table, with the figures and findings below it. */
export function reportOf(rows: readonly Row[]): string {
  const lines = [columns, columns.map(() => '---'), ...rows.map(cellsOf)].map(
    cells => `| ${cells.join(' | ')} |`,
  );
  for (const { id, engine, figures } of rows)
    if (figures.length > 0) lines.push('', `${id} on ${engine}: ${figures.join('; ')}.`);
  for (const { id, engine, seed, findings } of rows)
    for (const finding of findings) lines.push('', `FINDING ${id} on ${engine}, seed ${seed}: ${finding}`);
  return lines.join('\n');
}

function cellsOf(row: Row): (string | number)[] {
  return [
    row.id,
    row.title,
    row.engine,
    row.attempts,
    row.granted,
    row.refused,
    row.lostPlaces,
    row.grantsLost,
    row.doubled,
    row.injections,
    recoveryOf(row.recoveriesMs),
    row.seed,
    `${Math.round(row.tookMs / 1000)} s`,
    row.findings.length === 0 ? 'yes' : 'NO',
  ];
}

/** Such as `3.2 s, 4.9 s (12)`: the median, the longest, and how many there were. */
function recoveryOf(recoveriesMs: readonly number[]): string {
  if (recoveriesMs.length === 0) return '-';
  const sorted = [...recoveriesMs].sort((a, b) => a - b);
  const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;
  return `${seconds(sorted[sorted.length >> 1]!)}, ${seconds(sorted.at(-1)!)} (${sorted.length})`;
}
