import { expect, it } from 'vitest';
import { parseMachineStat, parseStat, readCpuTimes, subtractCpuTimes } from './cpu-time.ts';

it('reads the parent and the times of a process whatever its name', () => {
  const fields = '17 5021 5021 0 -1 4194560 999 0 0 0 120 30 4 1 20 0 1 0 100 227352576';
  expect(parseStat(`4711 (a (b) c) S ${fields}`)).toEqual({ parentPid: 17, cpuMs: 1550 });
});

it('adds up what keeps the machine busy, without idling', () => {
  const text = 'cpu  100 2 30 9999 888 4 5 6 0 0\ncpu0 50 1 15 5000 444 2 2 3 0 0\n';
  expect(parseMachineStat(text)).toBe(1470);
});

it.runIf(process.platform === 'linux')('sees this process work', () => {
  const before = readCpuTimes({ me: process.pid });
  const startMs = process.cpuUsage().user;
  while (process.cpuUsage().user - startMs < 60_000);
  const { me } = subtractCpuTimes(readCpuTimes({ me: process.pid }), before);
  expect(me).toBeGreaterThanOrEqual(40);
});
