import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { serve } from './serve.ts';

const CROWD = 2000;

/** Connects so many sockets and prints how many were connected when all were, or 5 s had passed. */
const CROWD_CODE = `
  const { connect } = require('node:net');
  const [port, crowd] = process.argv.slice(1).map(Number);
  let connected = 0;
  const end = () => { console.log(connected); process.exit(); };
  for (let i = 0; i < crowd; i++)
    connect(port, '127.0.0.1', () => { if (++connected === crowd) end(); }).on('error', () => {});
  setTimeout(end, 5000);`;

const canHoldCrowd =
  process.platform === 'linux' && Number(readFileSync('/proc/sys/net/core/somaxconn', 'utf8')) >= CROWD;

it.runIf(canHoldCrowd)('a crowd that arrives while the process is busy waits at the door', async () => {
  const serving = await serve(() => new Response('ok'), '127.0.0.1', 0);
  try {
    // Nothing is accepted meanwhile: this process waits for that one.
    const { stdout } = spawnSync(process.execPath, ['-e', CROWD_CODE, String(serving.port), String(CROWD)], {
      encoding: 'utf8',
    });
    expect(Number(stdout)).toBe(CROWD);
  } finally {
    await serving.close(0);
  }
});
