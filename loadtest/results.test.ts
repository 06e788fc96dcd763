import { expect, it } from 'vitest';
import type { Target } from './bench/finding.ts';
import { chartOf, mergeResults, type Result, renderResults, replaceFigures } from './results.ts';

function result(target: Target, commit: string, met: boolean): Result {
  return {
    target,
    rows: [{ work: `a | b of ${target}`, target: '>= 1', figure: '2', met }],
    speeds: [
      { label: 'echo', perSecond: 5, kind: 'baseline' },
      { label: `${target} speed`, perSecond: 9, kind: 'claimline' },
    ],
    latencies: [],
    cores: [],
    notes: [`A note on ${target}.`],
    conditions: 'Conditions.',
    machine: {
      ...{ cpu: 'cpu', cores: 2, memoryGb: 1, platform: 'linux x64', node: 'v20' },
      ...{ storage: 'disk' as const, commit, measuredAt: 'then' },
    },
  };
}

it('keeps the newest result of each target, in their order', () => {
  const older = [result('T1', 'old', true), result('T3', 'old', true)];
  const merged = mergeResults(older, [result('T7', 'new', true), result('T1', 'new', false)]);
  expect(merged.map(({ target, machine }) => [target, machine.commit])).toEqual([
    ['T1', 'new'],
    ['T3', 'old'],
    ['T7', 'new'],
  ]);
});

it('says what was met, under which conditions, and draws each baseline once', () => {
  const results = [result('T1', 'new', true), result('T2', 'new', false), result('T3', 'old', true)];
  const text = renderResults(results, 'chart.svg');
  expect(text).toContain('2 of 3 met. Not measured here: T4, T6, T7, T8, T9, T10, T11.');
  expect(text).toContain('| T2 | a \\| b of T2 | >= 1 | 2 | **missed** |');
  expect(text).toContain('![Throughput and latency beside the baselines](chart.svg)');
  expect(text.match(/^- T.*Conditions/gm)?.map(line => line.split(':')[0])).toEqual(['- T1, T2', '- T3']);
  expect(chartOf(results).speeds.map(({ label }) => label)).toEqual([
    'T1 speed',
    'T2 speed',
    'T3 speed',
    'echo',
  ]);
});

it('renews what stands between the marks and nothing else', () => {
  const marks = ['<!-- figures: written by `npm run bench -- --write` -->', '<!-- end of figures -->'];
  const document = `before\n${marks[0]}\nold\n${marks[1]}\nafter\n`;
  const renewed = replaceFigures(document, 'new $& figures');
  expect(renewed).toBe(`before\n${marks[0]}\n\nnew $& figures\n\n${marks[1]}\nafter\n`);
  expect(replaceFigures(renewed, 'new $& figures')).toBe(renewed);
  expect(() => replaceFigures('no marks', 'new')).toThrow('lacks');
});
