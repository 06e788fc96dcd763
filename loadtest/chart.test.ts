import { expect, it } from 'vitest';
import { decades, linearTicks, renderChart } from './chart.ts';
import { escapeXml } from './svg.ts';

const latency = { p50Ms: 2, p95Ms: 20, p99Ms: 200, maxMs: 300 };

it('escapes whatever a label holds', () => {
  expect(escapeXml(`a<b> & "c" 'd'\u0000\u001b[1m`)).toBe('a&lt;b&gt; &amp; &quot;c&quot; &#39;d&#39;[1m');
  const svg = renderChart({
    title: '</text><script>"&',
    subtitle: '',
    speeds: [{ label: '<b>', perSecond: 1, kind: 'baseline' }],
    latencies: [{ label: "it's & <so>", latency, kind: 'claimline' }],
  });
  expect(svg).not.toMatch(/<script|<b>|<so>|&(?!amp;|lt;|gt;|quot;|#39;)/);
  // Every element is closed: what is opened and not self-closing has its end.
  expect(svg.match(/<(?!\/)[^>]*[^/]>/g)?.length).toBe(svg.match(/<\//g)?.length);
});

it('draws a bar as long as its share of the axis, and the target beside it', () => {
  const svg = renderChart({
    title: 't',
    subtitle: '',
    speeds: [
      { label: 'all', perSecond: 1000, kind: 'baseline' },
      { label: 'half', perSecond: 500, kind: 'claimline', wantedPerSecond: 250 },
    ],
    latencies: [{ label: 'one', latency, kind: 'claimline', wanted: [{ percentile: 'p95', ms: 20 }] }],
  });
  const [all, half] = [...svg.matchAll(/width="([\d.]+)" height="14"/g)].map(match => Number(match[1]));
  expect(half! / all!).toBeCloseTo(0.5, 2);
});

it('takes round numbers for its axes', () => {
  expect(linearTicks(32_368)).toEqual([0, 10_000, 20_000, 30_000, 40_000]);
  expect(linearTicks(1000)).toEqual([0, 200, 400, 600, 800, 1000]);
  expect(decades([0.4, 35])).toEqual([0.1, 1, 10, 100]);
  expect(decades([])).toEqual([1, 10]);
});
