import type { Latency, Speed } from './bench/finding.ts';
import { element, line, text } from './svg.ts';

/** What the chart shows; the subtitle names machine and commit. */
export type ChartData = { title: string; subtitle: string; speeds: Speed[]; latencies: Latency[] };

const WIDTH = 1000;
const LEFT = 330;
const RIGHT = 70;
const PLOT_WIDTH = WIDTH - LEFT - RIGHT;
const ROW_HEIGHT = 26;
const BAR_HEIGHT = 14;
const HEAD_HEIGHT = 78;
const PANEL_HEAD = 58;
const PANEL_GAP = 34;
const AXIS_HEIGHT = 22;
const TICKS_MOST = 6;
const ARROW = 4;

const INK = '#1f2933';
const FAINT = '#5f6b7a';
const GRID = '#e3e8ee';
const TARGET = '#d1495b';
const COLORS = { claimline: '#2364aa', baseline: '#9aa5b1' } as const;

/** One chart of two panels, as SVG on white: throughput as bars, latency as lines from p50 over p95 to p99. */
export function renderChart({ title, subtitle, speeds, latencies }: ChartData): string {
  const speedTop = HEAD_HEIGHT;
  const latencyTop = speedTop + panelHeight(speeds.length) + PANEL_GAP;
  const height = latencyTop + panelHeight(latencies.length) + 16;
  const body = [
    element('rect', { width: WIDTH, height, fill: '#ffffff' }),
    text(24, 34, title, { 'font-size': 20, 'font-weight': 600 }),
    text(24, 56, subtitle, { fill: FAINT, 'font-size': 12 }),
    renderSpeeds(speeds, speedTop),
    renderLatencies(latencies, latencyTop),
  ];
  const frame = {
    xmlns: 'http://www.w3.org/2000/svg',
    width: WIDTH,
    height,
    viewBox: `0 0 ${WIDTH} ${height}`,
    'font-family': 'system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif',
    'font-size': 13,
    fill: INK,
    role: 'img',
    'aria-label': title,
  };
  return `${element('svg', frame, `\n${body.join('\n')}\n`)}\n`;
}

function panelHeight(rows: number): number {
  return PANEL_HEAD + rows * ROW_HEIGHT + AXIS_HEIGHT;
}

function rowY(top: number, index: number): number {
  return top + PANEL_HEAD + index * ROW_HEIGHT + ROW_HEIGHT / 2;
}

function renderSpeeds(speeds: Speed[], top: number): string {
  const most = Math.max(1, ...speeds.map(one => Math.max(one.perSecond, one.wantedPerSecond ?? 0)));
  const ticks = linearTicks(most);
  const x = (value: number) => round(LEFT + (value / ticks.at(-1)!) * PLOT_WIDTH);
  const legend = [
    legendBox(LEFT, top + 36, COLORS.claimline, 'Claimline'),
    legendBox(LEFT + 100, top + 36, COLORS.baseline, 'baseline'),
    legendLine(LEFT + 190, top + 36, 'what the target asks for'),
  ];
  const rows = speeds.map((one, index) => {
    const y = rowY(top, index);
    const end = x(one.perSecond);
    const wanted = one.wantedPerSecond === undefined ? '' : targetMark(x(one.wantedPerSecond), y);
    const value = Math.round(one.perSecond).toLocaleString('en-US');
    // Clear of the bar, and of the mark where that stands right behind the bar.
    const markX = one.wantedPerSecond === undefined ? 0 : x(one.wantedPerSecond);
    const labelX = markX >= end - 2 && markX < end + 56 ? markX + 6 : end + 6;
    return [
      rowLabel(one.label, y),
      element('rect', {
        x: LEFT,
        y: y - BAR_HEIGHT / 2,
        width: round(end - LEFT),
        height: BAR_HEIGHT,
        fill: COLORS[one.kind],
      }),
      wanted,
      text(labelX, y + 4, value, { 'font-size': 12 }),
    ].join('');
  });
  const title = panelTitle(top, 'Throughput: answers, or settled claims, a second');
  const format = (value: number) => value.toLocaleString('en-US');
  return [title, ...legend, axis(ticks, x, top, speeds.length, format), ...rows].join('\n');
}

function renderLatencies(latencies: Latency[], top: number): string {
  const values = latencies.flatMap(({ latency, wanted = [] }) => [
    ...[latency.p50Ms, latency.p99Ms],
    ...wanted.map(one => one.ms),
  ]);
  const ticks = decades(values);
  const [low, high] = [Math.log10(ticks[0]!), Math.log10(ticks.at(-1)!)];
  const x = (value: number) =>
    round(LEFT + ((Math.log10(Math.max(value, ticks[0]!)) - low) / (high - low)) * PLOT_WIDTH);
  const legend = [
    element('circle', { cx: LEFT + 5, cy: top + 32, r: 5, fill: INK }),
    text(LEFT + 15, top + 36, 'p50', { 'font-size': 12 }),
    line(LEFT + 58, top + 26, LEFT + 58, top + 38, { stroke: INK, 'stroke-width': 2 }),
    text(LEFT + 66, top + 36, 'p95', { 'font-size': 12 }),
    element('circle', {
      cx: LEFT + 110,
      cy: top + 32,
      r: 4,
      fill: '#ffffff',
      stroke: INK,
      'stroke-width': 2,
    }),
    text(LEFT + 120, top + 36, 'p99', { 'font-size': 12 }),
    legendLine(LEFT + 190, top + 36, 'most that the target allows'),
  ];
  const rows = latencies.map((one, index) => latencyRow(one, rowY(top, index), x));
  const title = panelTitle(top, 'Latency in milliseconds, logarithmic');
  return [
    title,
    ...legend,
    axis(ticks, x, top, latencies.length, value => value.toLocaleString('en-US')),
    ...rows,
  ].join('\n');
}

function latencyRow({ label, latency, kind, wanted = [] }: Latency, y: number, x: (ms: number) => number) {
  const { p50Ms, p95Ms, p99Ms } = latency;
  const color = COLORS[kind];
  return [
    rowLabel(label, y),
    line(x(p50Ms), y, x(p99Ms), y, { stroke: color, 'stroke-width': 3 }),
    ...wanted.map(one => targetMark(x(one.ms), y, one.percentile)),
    element('circle', { cx: x(p50Ms), cy: y, r: 5, fill: color }),
    line(x(p95Ms), y - 6, x(p95Ms), y + 6, { stroke: color, 'stroke-width': 2 }),
    element('circle', { cx: x(p99Ms), cy: y, r: 4, fill: '#ffffff', stroke: color, 'stroke-width': 2 }),
  ].join('');
}

function panelTitle(top: number, title: string): string {
  return text(24, top + 14, title, { 'font-size': 15, 'font-weight': 600 });
}

function rowLabel(label: string, y: number): string {
  return text(LEFT - 12, y + 4, label, { 'text-anchor': 'end' });
}

function legendBox(x: number, y: number, fill: string, label: string): string {
  return (
    element('rect', { x, y: y - 10, width: 12, height: 12, fill }) +
    text(x + 18, y, label, { 'font-size': 12 })
  );
}

function legendLine(x: number, y: number, label: string): string {
  return targetMark(x + 4, y - 4) + text(x + 14, y, label, { 'font-size': 12 });
}

/** Where a target is; small letters say of which percentile. */
function targetMark(x: number, y: number, percentile?: string): string {
  const mark = line(x, y - BAR_HEIGHT / 2 - 3, x, y + BAR_HEIGHT / 2 + 3, {
    stroke: TARGET,
    'stroke-width': 2.5,
  });
  if (percentile === undefined) return mark;
  return mark + text(x + ARROW, y - 3, percentile, { 'font-size': 9, fill: TARGET });
}

function axis(
  ticks: number[],
  x: (value: number) => number,
  top: number,
  rows: number,
  format: (value: number) => string,
): string {
  const from = top + PANEL_HEAD - 4;
  const to = top + PANEL_HEAD + rows * ROW_HEIGHT + 2;
  return ticks
    .map(
      tick =>
        line(x(tick), from, x(tick), to, { stroke: GRID }) +
        text(x(tick), to + 14, format(tick), { 'text-anchor': 'middle', fill: FAINT, 'font-size': 11 }),
    )
    .join('');
}

/** Round numbers from 0 to at least `most`, a few of them. */
export function linearTicks(most: number): number[] {
  const rough = most / (TICKS_MOST - 1);
  const decade = 10 ** Math.floor(Math.log10(rough));
  const step = decade * [1, 2, 5, 10].find(factor => factor * decade >= rough)!;
  return Array.from({ length: Math.ceil(most / step) + 1 }, (_, index) => index * step);
}

/** Powers of ten around all positive values. */
export function decades(values: number[]): number[] {
  const positive = values.filter(value => value > 0);
  const low = Math.floor(Math.log10(Math.min(...positive, 1)));
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...positive, 1))));
  return Array.from({ length: high - low + 1 }, (_, index) => Number((10 ** (low + index)).toPrecision(1)));
}

/** A tenth of a pixel is finer than anybody sees. */
function round(value: number): number {
  return Math.round(value * 10) / 10;
}
