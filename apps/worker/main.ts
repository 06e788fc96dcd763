import { runProcess } from '../process.ts';
import { startWorker } from './start.ts';

await runProcess('worker', startWorker);
