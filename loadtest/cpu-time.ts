import { readdirSync, readFileSync } from 'node:fs';

// USER_HZ, which Linux fixes at 100 for everything it shows in /proc.
const TICK_MS = 10;

/** CPU time used so far, in ms, by process name and by `others`. */
export type CpuTimes = Record<string, number>;

/** Whatever else ran on this machine or took the core from it: a large share means a disturbed measurement. */
const OTHERS = 'others';

type ProcessStat = { parentPid: number; cpuMs: number };

/**
 * CPU time of each named process with its descendants, and of the rest of the machine, in ms with a resolution
 * of 10; empty where there is no /proc. Descendants, because Postgres works in children that come and go.
 */
export function readCpuTimes(pids: Record<string, number>): CpuTimes {
  const stats = readAllStats();
  if (stats.size === 0) return {};
  const named = Object.entries(pids).map(([name, pid]) => [name, treeCpuMs(stats, pid)] as const);
  // This process and the generators it has reaped.
  const ownMs = stats.get(process.pid)?.cpuMs ?? 0;
  const knownMs = named.reduce((sum, [, cpuMs]) => sum + cpuMs, ownMs);
  const busyMs = parseMachineStat(readFileSync('/proc/stat', 'utf8'));
  return { ...Object.fromEntries(named), [OTHERS]: busyMs - knownMs };
}

/** How much each process used between two readings, in ms. */
export function subtractCpuTimes(after: CpuTimes, before: CpuTimes): CpuTimes {
  return Object.fromEntries(
    Object.entries(after).map(([name, cpuMs]) => [name, cpuMs - (before[name] ?? 0)]),
  );
}

/** All processes of this machine by pid; empty where there is no /proc. */
export function readAllStats(): Map<number, ProcessStat> {
  const stats = new Map<number, ProcessStat>();
  for (const entry of listProc()) {
    const pid = Number(entry);
    if (!Number.isInteger(pid)) continue;
    const stat = readStat(pid);
    if (stat) stats.set(pid, stat);
  }
  return stats;
}

function listProc(): string[] {
  try {
    return readdirSync('/proc');
  } catch {
    return [];
  }
}

function readStat(pid: number): ProcessStat | undefined {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    // It ended between the listing and the reading.
    return undefined;
  }
}

/** Exported for its test: the name in parentheses may itself hold spaces and parentheses. */
export function parseStat(line: string): ProcessStat {
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
  // utime, stime, and the same of the children it has reaped: fields 14 to 17 of proc(5), 1-based.
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  return { parentPid: Number(fields[1]), cpuMs: ticks * TICK_MS };
}

/**
 * Busy time of all cores from /proc/stat, in ms. Its first line: user, nice, system, idle, iowait, irq, softirq,
 * steal. Interrupts count, because the times of processes hold those that struck them.
 */
export function parseMachineStat(text: string): number {
  const ticks = text.slice(0, text.indexOf('\n')).split(/ +/).slice(1).map(Number);
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = ticks;
  return (user + nice + system + irq + softirq + steal) * TICK_MS;
}

/** A process and its descendants. */
export function listTree(stats: Map<number, ProcessStat>, pid: number): number[] {
  const children = [...stats].filter(([, stat]) => stat.parentPid === pid).map(([childPid]) => childPid);
  return [pid, ...children.flatMap(child => listTree(stats, child))];
}

function treeCpuMs(stats: Map<number, ProcessStat>, pid: number): number {
  return listTree(stats, pid).reduce((sumMs, one) => sumMs + (stats.get(one)?.cpuMs ?? 0), 0);
}
