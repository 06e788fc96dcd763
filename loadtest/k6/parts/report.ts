import type { ScenarioName } from './scenarios.ts';
import { readSettings } from './settings.ts';

/** What k6 hands to handleSummary, as far as it is used; its types do not describe it. */
type Summary = {
  metrics: Record<
    string,
    { type: string; values: Record<string, number>; thresholds?: Record<string, { ok: boolean }> }
  >;
};

const LABEL_WIDTH = 18;

/** Makes the `handleSummary` of a scenario: what was sent, how it was answered, and whether the counts are exact. */
export function summarizeAs(name: ScenarioName): (summary: Summary) => { stdout: string } {
  return summary => ({ stdout: `\n${render(name, summary).join('\n')}\n` });
}

function render(name: ScenarioName, { metrics }: Summary): string[] {
  const settings = Object.entries(readSettings(name)).map(
    ([key, value]) => `${key} ${whole(value as number)}`,
  );
  const seconds = (metrics.load_time?.values.value ?? 0) / 1000;
  const answers = sum(metrics, 'claims_') + sum(metrics, 'reads_') + sum(metrics, 'validations_');
  const crossed = Object.entries(metrics).flatMap(([metric, { thresholds = {} }]) =>
    Object.entries(thresholds).flatMap(([rule, { ok }]) => (ok ? [] : [`${metric} ${rule}`])),
  );
  const { exact = 0, wrong = 0 } = countsOf(metrics, 'coupons_');
  const isExact = !crossed.some(rule => /^(?:coupons|grants)_/.test(rule));
  return [
    `${name}: ${settings.join(', ')}`,
    line('answers', `${whole(answers)} in ${seconds.toFixed(1)} s, ${whole(answers / seconds)}/s`),
    line('dropped', whole(metrics.dropped_iterations?.values.count ?? 0)),
    line('claims', list(countsOf(metrics, 'claims_'))),
    line('validations', list(countsOf(metrics, 'validations_'))),
    line('tickets', list(countsOf(metrics, 'tickets_'))),
    line('reads', list(countsOf(metrics, 'reads_'))),
    ...Object.entries(metrics).flatMap(([metric, { type, values }]) =>
      type === 'trend' && metric.startsWith('latency_') && values.max
        ? [line(metric.slice('latency_'.length).replaceAll('_', ' '), percentiles(values))]
        : [],
    ),
    line(
      'counts',
      isExact
        ? `exact (${whole(exact)} checked)`
        : `WRONG (${whole(wrong)} of ${whole(exact + wrong)} checked)`,
    ),
    line('thresholds', crossed.length === 0 ? 'all kept' : `crossed: ${crossed.join('; ')}`),
  ].filter(text => text !== '');
}

/** The counters of one kind that counted something, by the rest of their name. */
function countsOf(metrics: Summary['metrics'], prefix: string): Record<string, number> {
  return Object.fromEntries(
    Object.entries(metrics).flatMap(([metric, { values }]) =>
      metric.startsWith(prefix) && values.count ? [[metric.slice(prefix.length), values.count]] : [],
    ),
  );
}

function sum(metrics: Summary['metrics'], prefix: string): number {
  return Object.values(countsOf(metrics, prefix)).reduce((total, count) => total + count, 0);
}

function list(counts: Record<string, number>): string {
  return Object.entries(counts)
    .map(([name, count]) => `${whole(count)} ${name}`)
    .join(', ');
}

function percentiles(values: Record<string, number>): string {
  const shown = { p50: values.med, p95: values['p(95)'], p99: values['p(99)'], max: values.max };
  return Object.entries(shown)
    .map(([name, ms]) => `${name} ${(ms ?? 0).toFixed(1)}`)
    .join(', ')
    .concat(' ms');
}

/** Empty when there is nothing to say. */
function line(label: string, text: string): string {
  return text && `  ${label.padEnd(LABEL_WIDTH)} ${text}`;
}

function whole(value: number): string {
  return String(Math.round(value)).replaceAll(/\B(?=(\d{3})+$)/g, ',');
}
