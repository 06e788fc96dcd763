import { runProcess } from '../process.ts';
import { startApi } from './start.ts';

await runProcess('api', startApi);
