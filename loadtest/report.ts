import { renderCores } from './cores.ts';
import { describeMachineLine, type Machine } from './machine.ts';
import type { SubjectSummary } from './summary.ts';
import { renderTable, whole } from './table.ts';

/** The comparison as Markdown: the machine, speed, latency, and where the CPU time went. */
export function renderReport(machine: Machine, summaries: SubjectSummary[], conditions: string): string {
  return [
    `${describeMachineLine(machine)}. ${conditions}`,
    renderSpeed(summaries),
    renderLatency(summaries),
    renderCores(summaries),
  ].join('\n\n');
}

function renderSpeed(summaries: SubjectSummary[]): string {
  const head = ['', 'answers/s', 'range', 'accepted/s', 'settled/s', 'backlog at end', 'x echo', 'x rowlock'];
  const rows = summaries.map(one => [
    one.title,
    whole(one.answersPerSecond),
    one.answersPerSecondRange.map(whole).join(' to '),
    whole(one.acceptedPerSecond),
    whole(one.settledPerSecond),
    whole(one.backlogAtEnd),
    ratio(one.versus.echo),
    ratio(one.versus.rowlock),
  ]);
  return renderTable(head, rows, 'numbers');
}

function renderLatency(summaries: SubjectSummary[]): string {
  const rows = summaries.map(({ title, latency }) => [
    title,
    ...[latency.p50Ms, latency.p95Ms, latency.p99Ms, latency.maxMs].map(ms => ms.toFixed(1)),
  ]);
  return renderTable(['latency of an answer, ms', 'p50', 'p95', 'p99', 'max'], rows, 'numbers');
}

function ratio(value: number | undefined): string {
  return value === undefined ? '' : value.toFixed(value < 10 ? 2 : 1);
}
