import { readFileSync } from 'node:fs';
import { listTree, readAllStats } from './cpu-time.ts';

/** Memory in MB by process name. */
export type Memory = Record<string, number>;

const KB_PER_MB = 1024;
const PSS = /^Pss: +(\d+) kB/m;

/**
 * What each named process with its descendants occupies, in MB; empty where there is no /proc. Shared pages
 * count in parts (PSS), or the buffers of Postgres would count once for each of its connections.
 */
export function readMemory(pids: Record<string, number>): Memory {
  const stats = readAllStats();
  if (stats.size === 0) return {};
  const entries = Object.entries(pids).map(([name, pid]) => {
    const kilobytes = listTree(stats, pid).reduce((sum, one) => sum + readPssKb(one), 0);
    return [name, kilobytes / KB_PER_MB] as const;
  });
  return Object.fromEntries(entries);
}

function readPssKb(pid: number): number {
  try {
    return Number(PSS.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0);
  } catch {
    // It ended meanwhile, or is somebody else's.
    return 0;
  }
}

/** Looks at the memory every `everyMs` until told to stop, which returns what it saw. */
export function watchMemory(pids: Record<string, number>, everyMs: number): () => Memory[] {
  const samples: Memory[] = [];
  const timer = setInterval(() => samples.push(readMemory(pids)), everyMs);
  return () => {
    clearInterval(timer);
    return samples;
  };
}

export type MemoryCourse = {
  beforeMb: number;
  peakMb: number;
  afterMb: number;
  /** The last quarter over the second one; the first is a process getting warm. 1 of too few samples. */
  growth: number;
};

/**
 * Which of the named processes hold more than `growthMost` times as much late as early; null where that is not known:
 * without /proc nothing is measured, and of what is somebody else's only 0 MB.
 */
export function findGrown(
  courses: { name: string; growth: number }[],
  names: string[],
  growthMost: number,
): string[] | null {
  const asked = courses.filter(({ name }) => names.includes(name));
  if (asked.length < names.length || !asked.every(({ growth }) => Number.isFinite(growth))) return null;
  return asked.filter(({ growth }) => growth > growthMost).map(({ name }) => name);
}

const QUARTERS = 4;

/** How the memory of one process went, from the samples taken meanwhile and one before and after. */
export function describeCourse(name: string, before: Memory, samples: Memory[], after: Memory): MemoryCourse {
  const values = samples.map(sample => sample[name] ?? 0);
  const quarter = Math.floor(values.length / QUARTERS);
  const mean = (some: number[]) => some.reduce((sum, value) => sum + value, 0) / some.length;
  const isEnough = quarter > 0;
  return {
    beforeMb: before[name] ?? 0,
    peakMb: Math.max(before[name] ?? 0, ...values),
    afterMb: after[name] ?? 0,
    growth: isEnough ? mean(values.slice(-quarter)) / mean(values.slice(quarter, 2 * quarter)) : 1,
  };
}
