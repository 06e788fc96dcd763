import { join } from 'node:path';

type CallFrame = { functionName: string; url: string; lineNumber: number };

/** The parts of a .cpuprofile that are read here. */
export type CpuProfile = {
  nodes: { id: number; callFrame: CallFrame }[];
  samples: number[];
  /** Microseconds before each sample. */
  timeDeltas: number[];
};

/** A function's own time, without what it called. */
export type SelfTime = { name: string; file: string; selfMs: number };

// Not work: waiting for events.
const IDLE = '(idle)';

/** Where the process with this id leaves its profile. */
export function profilePath(folder: string, pid: number): string {
  return join(folder, `${pid}.cpuprofile`);
}

/** Own times of all functions but idling, the largest first; functions of one name in one file are one. */
export function aggregateSelfTimes(profile: CpuProfile): SelfTime[] {
  const frames = new Map(profile.nodes.map(node => [node.id, node.callFrame]));
  const times = new Map<string, SelfTime>();
  for (const [index, nodeId] of profile.samples.entries()) {
    const frame = frames.get(nodeId)!;
    if (frame.functionName === IDLE) continue;
    const file = shortenUrl(frame.url);
    const key = `${frame.functionName} ${file}`;
    const time = times.get(key) ?? { name: frame.functionName || '(anonymous)', file, selfMs: 0 };
    // The sample tells what ran until the next one, so its time is the delta that follows.
    time.selfMs += (profile.timeDeltas[index + 1] ?? 0) / 1000;
    times.set(key, time);
  }
  return [...times.values()].sort((a, b) => b.selfMs - a.selfMs);
}

/** The largest own times as lines of text, with their share of the busy time. */
export function renderSelfTimes(times: SelfTime[], limit: number): string {
  const busyMs = times.reduce((sum, time) => sum + time.selfMs, 0);
  const lines = times.slice(0, limit).map(({ name, file, selfMs }) => {
    const share = `${((100 * selfMs) / busyMs).toFixed(1)} %`;
    return `${share.padStart(7)} ${selfMs.toFixed(0).padStart(7)} ms  ${name}  ${file}`;
  });
  return [`${busyMs.toFixed(0)} ms busy`, ...lines].join('\n');
}

/** `node_modules/x/y.js` or the last three names of a path. */
function shortenUrl(url: string): string {
  const path = url.replace(/^file:\/\//, '').replace(/\?.*$/, '');
  const dependency = path.lastIndexOf('/node_modules/');
  return dependency >= 0
    ? path.slice(dependency + '/node_modules/'.length)
    : path.split('/').slice(-3).join('/');
}
