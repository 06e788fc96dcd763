import { type Finding, type Latency, type Row, TARGETS } from './bench/finding.ts';
import type { ChartData } from './chart.ts';
import { type CoresInUse, renderCores } from './cores.ts';
import { describeMachineLine, type Machine } from './machine.ts';
import { renderTable } from './table.ts';

/** A finding with what it must be read together with. */
export type Result = Finding & { machine: Machine; conditions: string };

/** The newest result of each target, in the order of the targets. */
export function mergeResults(older: Result[], newer: Result[]): Result[] {
  return TARGETS.flatMap(target => {
    const found = newer.find(one => one.target === target) ?? older.find(one => one.target === target);
    return found ? [found] : [];
  });
}

/** The results as Markdown: targets with their figures, the chart when there is one, notes and conditions. */
export function renderResults(results: Result[], chartFile: string | undefined): string {
  const rows = results.flatMap(result =>
    result.rows.map(row => [result.target, row.work, row.target, row.figure, verdictOf(row)]),
  );
  const met = results.flatMap(result => result.rows).filter(row => row.met).length;
  const notes = results.flatMap(result => result.notes).map(note => `- ${note}`);
  const latencies = distinct(results.flatMap(result => result.latencies));
  const cores = distinctTitles(results.flatMap(result => result.cores));
  const missing = TARGETS.filter(target => !results.some(result => result.target === target));
  return [
    `${met} of ${rows.length} met.${missing.length > 0 ? ` Not measured here: ${missing.join(', ')}.` : ''}`,
    renderTable(['', 'what', 'target', 'measured', ''], rows),
    chartFile ? `![Throughput and latency beside the baselines](${chartFile})` : '',
    latencies.length > 0 ? renderLatencies(latencies) : '',
    cores.length > 0 ? renderCores(cores) : '',
    notes.join('\n'),
    renderConditions(results),
  ]
    .filter(part => part !== '')
    .join('\n\n');
}

function verdictOf(row: Row): string {
  return row.met ? 'met' : '**missed**';
}

function renderLatencies(latencies: Latency[]): string {
  const rows = latencies.map(({ label, latency }) => [
    label,
    ...[latency.p50Ms, latency.p95Ms, latency.p99Ms, latency.maxMs].map(value => value.toFixed(1)),
  ]);
  return renderTable(['latency, ms', 'p50', 'p95', 'p99', 'max'], rows, 'numbers');
}

/** Targets measured under the same conditions share a line. */
function renderConditions(results: Result[]): string {
  const targets = new Map<string, string[]>();
  for (const { machine, conditions, target } of results) {
    const text = `${describeMachineLine(machine)}. ${conditions}`;
    targets.set(text, [...(targets.get(text) ?? []), target]);
  }
  return [...targets].map(([text, some]) => `- ${some.join(', ')}: ${text}`).join('\n');
}

/** The chart of some results. */
export function chartOf(results: Result[]): ChartData {
  const machine = results.at(-1)?.machine;
  const commits = [...new Set(results.map(result => result.machine.commit))].join(', ');
  const speeds = distinct(results.flatMap(result => result.speeds));
  return {
    title: 'Claimline beside its baselines',
    subtitle: machine
      ? `${machine.cpu}, ${machine.cores} cores shared by everything, load generator and stores included; commit ${commits}`
      : '',
    speeds: speeds.sort((a, b) => b.perSecond - a.perSecond),
    latencies: distinct(results.flatMap(result => result.latencies)),
  };
}

/** The first of each label: two targets may both have been measured beside the same baseline. */
function distinct<Labeled extends { label: string }>(all: Labeled[]): Labeled[] {
  return all.filter((one, index) => all.findIndex(other => other.label === one.label) === index);
}

function distinctTitles(all: CoresInUse[]): CoresInUse[] {
  return distinct(all.map(one => ({ ...one, label: one.title })));
}

const BEGIN = '<!-- figures: written by `npm run bench -- --write` -->';
const END = '<!-- end of figures -->';

/** The document with what stands between its two marks replaced; throws when it has not both. */
export function replaceFigures(document: string, figures: string): string {
  const begin = document.indexOf(BEGIN);
  const end = document.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`the document lacks ${BEGIN} or ${END}`);
  return `${document.slice(0, begin + BEGIN.length)}\n\n${figures}\n\n${document.slice(end)}`;
}
