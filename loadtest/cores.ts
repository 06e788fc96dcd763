import { renderTable } from './table.ts';

/** Cores in use by each process while something was measured, e.g. 0.5 for half of one. */
export type CoresInUse = { title: string; cores: Record<string, number> };

const INSTALLED = /(?:^|-)(api|worker)(?:-\d+)?$/;

/** Where the CPU time went, as Markdown; processes that do the same, of whichever installation, count together. */
export function renderCores(all: CoresInUse[]): string {
  const rows = all.map(({ title, cores }) => ({ title, cores: sumByKind(cores) }));
  const names = [...new Set(rows.flatMap(one => Object.keys(one.cores)))];
  return renderTable(
    ['cores in use', ...names, 'all'],
    rows.map(({ title, cores }) => {
      const values = names.map(name => cores[name] ?? 0);
      return [
        title,
        ...[...values, values.reduce((sum, value) => sum + value, 0)].map(one => one.toFixed(2)),
      ];
    }),
    'numbers',
  );
}

function sumByKind(cores: Record<string, number>): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const [name, value] of Object.entries(cores)) {
    const kind = INSTALLED.exec(name)?.[1] ?? name;
    sums[kind] = (sums[kind] ?? 0) + Math.max(0, value);
  }
  return sums;
}
