import { renameSync, writeFileSync } from 'node:fs';
import { Session } from 'node:inspector';
import { profilePath } from './cpu-profile.ts';

/*
 * Preloaded into a process (`node --diagnostic-dir=<folder> --import ./loadtest/profiled.ts ...`), it starts a
 * CPU profile on the first SIGUSR2 and writes it to the folder on the second. Unlike --cpu-prof it leaves out
 * the start of the process, which would bury what the load does.
 */

const SAMPLING_INTERVAL_US = 500;
const FOLDER_OPTION = '--diagnostic-dir=';

const folder = process.execArgv.find(option => option.startsWith(FOLDER_OPTION))?.slice(FOLDER_OPTION.length);
if (!folder) throw new Error(`profiled.ts needs ${FOLDER_OPTION}<folder>`);

const session = new Session();
session.connect();
let isProfiling = false;

function start(): void {
  session.post('Profiler.enable');
  session.post('Profiler.setSamplingInterval', { interval: SAMPLING_INTERVAL_US });
  session.post('Profiler.start');
}

function stop(path: string): void {
  session.post('Profiler.stop', (error, result) => {
    if (error) throw error;
    // Renamed when complete, because somebody waits for the file to appear.
    writeFileSync(`${path}.part`, JSON.stringify(result.profile));
    renameSync(`${path}.part`, path);
  });
}

process.on('SIGUSR2', () => {
  if (isProfiling) stop(profilePath(folder, process.pid));
  else start();
  isProfiling = !isProfiling;
});
