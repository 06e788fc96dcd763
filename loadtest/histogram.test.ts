import { expect, it } from 'vitest';
import {
  createHistogram,
  mergeHistograms,
  packHistogram,
  percentile,
  record,
  summarize,
  unpackHistogram,
} from './histogram.ts';

it('keeps percentiles within a sixty-fourth, from microseconds to minutes', () => {
  for (const scaleMs of [0.001, 0.1, 1, 60]) {
    const histogram = createHistogram();
    for (let step = 1; step <= 1000; step++) record(histogram, step * scaleMs);
    for (const fraction of [0.5, 0.95, 0.99]) {
      const exactMs = fraction * 1000 * scaleMs;
      expect(percentile(histogram, fraction)).toBeGreaterThanOrEqual(exactMs - 0.001);
      expect(percentile(histogram, fraction)).toBeLessThanOrEqual(exactMs * (1 + 1 / 64) + 0.001);
    }
  }
});

it('knows the exact maximum, and zeros of nothing', () => {
  const histogram = createHistogram();
  expect(summarize(histogram)).toEqual({ p50Ms: 0, p95Ms: 0, p99Ms: 0, maxMs: 0 });
  record(histogram, 12.345);
  expect(summarize(histogram)).toEqual({ p50Ms: 12.345, p95Ms: 12.345, p99Ms: 12.345, maxMs: 12.345 });
});

it('merges what was recorded apart, also by way of JSON', () => {
  const [all, odd, even] = [createHistogram(), createHistogram(), createHistogram()];
  for (let step = 1; step <= 1000; step++) {
    record(all, step * 0.7);
    record(step % 2 === 1 ? odd : even, step * 0.7);
  }
  const sent = [odd, even].map(one => JSON.parse(JSON.stringify(packHistogram(one))));
  const merged = mergeHistograms(sent.map(unpackHistogram));
  expect(summarize(merged)).toEqual(summarize(all));
  expect(merged.total).toBe(1000);
});
