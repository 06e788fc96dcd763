import { spawnSync } from 'node:child_process';

/** Whether a `redis-server` can be started from PATH. */
export const redisAvailable: boolean = spawnSync('redis-server', ['--version']).status === 0;

/** Whether the Redis half may not be left out: a build server without Redis is a mistake, a laptop is not. */
export const redisRequired: boolean = Boolean(process.env.CI);
