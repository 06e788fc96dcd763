import { queueSuite } from './queue.testsuite.ts';

queueSuite('cluster');
