export { resumeRuns } from './generate.ts';
export { sweepLocks } from './sweep.ts';
