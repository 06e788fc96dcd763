import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readCounts } from './coupon.ts';
import { findK6 } from './find-k6.ts';
import { SCENARIOS, type ScenarioName } from './k6/parts/scenarios.ts';
import { runScenario } from './run-scenario.ts';
import { type Stack, startStack } from './stack.ts';

const k6 = findK6();
const hasRedis = spawnSync('redis-server', ['--version']).status === 0;
const lacking = [...(k6 ? [] : ['k6']), ...(hasRedis ? [] : ['redis-server'])].join(' and no ');
if (lacking) process.stderr.write(`There is no ${lacking} here: the scenarios of k6 are left out.\n`);

it.runIf(lacking && process.env.CI)('there is a k6 and a redis-server', () => {
  throw new Error(`CI is set, and there is no ${lacking}`);
});

const THRESHOLDS_CROSSED = 99;
const OPEN_POLL_MS = 5;

/** What the API must say of a coupon after the small form, by the end of the coupon's name. */
const EXACT: Record<ScenarioName, Record<string, [granted: number, left: number]>> = {
  'flash-sale': { '': [5, 0] },
  'double-dip': { '-0': [1, 99], '-0-ticket': [1, 99], '-3': [1, 99], '-3-ticket': [1, 99] },
  'duplicate-storm': { '': [20, 0] },
  sustained: { '': [80, 0] },
  surge: { '': [80, 0] },
  'poll-storm': { '': [30, 0] },
  mixed: { '': [40, 160], '-1': [10, 0] },
  soak: { '': [24, 76], '-1': [4, 0] },
  'seat-scramble': {},
  // Nothing is claimed: its own check is of the log.
  validations: {},
};

/** What is answered to a call instead of its honest body: another one, or a status. */
type Lie = (call: string, body: string, sent: string) => string | number;

describe.runIf(!lacking)('scenarios of k6', () => {
  let stack: Stack;
  let apis: string[];
  const servers: Server[] = [];
  beforeAll(async () => {
    stack = await startStack({
      echo: false,
      rowlock: false,
      apis: 2,
      workers: 1,
      profiled: false,
      keepFolder: false,
    });
    apis = stack.urls.claimline!;
  });
  afterAll(async () => {
    for (const server of servers) {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    }
    await stack?.stop();
  });

  function runSmall(scenario: ScenarioName, run: string, targets: string[]) {
    return runScenario({ k6: k6!, scenario, targets, small: true, run }, 'pipe');
  }

  /** An API in front of the first one that changes what it answers. */
  async function startLiar(lie: Lie): Promise<string> {
    const server = createServer(async (request, response) => {
      let sent = '';
      for await (const chunk of request) sent += chunk;
      const { method = 'GET', url = '/' } = request;
      const honest = await fetch(`${apis[0]}${url}`, {
        method,
        headers: { 'content-type': 'application/json' },
        body: sent || null,
      });
      const told = lie(`${method} ${url}`, await honest.text(), sent);
      response.writeHead(typeof told === 'number' ? told : honest.status).end(String(told));
    });
    servers.push(server.listen(0, '127.0.0.1'));
    await once(server, 'listening');
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  it.concurrent.each(Object.keys(SCENARIOS) as ScenarioName[])(
    '%s ends well and the API has its exact counts',
    async scenario => {
      const { exitCode, output } = await runSmall(scenario, 'test', apis);
      expect(output).toMatch(/counts +exact/);
      expect(exitCode, output).toBe(0);
      for (const [suffix, [claimedCount, remainingAmount]] of Object.entries(EXACT[scenario])) {
        const counts = await readCounts(apis[1]!, `${scenario}-test${suffix}`);
        expect(counts, suffix).toEqual({ claimedCount, remainingAmount });
      }
    },
    60_000,
  );

  it.concurrent('seats that were split fail the run', async () => {
    const liar = await startLiar((call, body) =>
      /^GET .*\/events\/evt_/.test(call) ? body.replace(/"held":\d+/, '"held":2') : body,
    );
    const { exitCode, output } = await runSmall('seat-scramble', 'split', [liar]);
    expect(output).toMatch(/2 seats are held and \d+ left of 30/);
    expect(output).toMatch(/counts +WRONG/);
    expect(exitCode).toBe(THRESHOLDS_CROSSED);
  }, 60_000);

  it.concurrent('a claim of somebody else fails the run', async () => {
    const run = runSmall('sustained', 'joined', apis);
    const claimed = async () => {
      const response = await fetch(`${apis[0]}/api/coupons/sustained-joined/claims`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: '{"user_id":"somebody"}',
      });
      return response.status === 202;
    };
    while (!(await claimed())) await sleep(OPEN_POLL_MS);
    const { exitCode, output } = await run;
    expect(output).toMatch(/somebody was granted a unit and is nobody of this run/);
    expect(output).toMatch(/counts +WRONG/);
    expect(exitCode).toBe(THRESHOLDS_CROSSED);
  }, 60_000);

  const isCoupon = (call: string) => /^GET .*flash-sale-[\w-]+$/.test(call);
  const isList = (call: string) => /^GET .*\/claims\?/.test(call);
  const isClaim = (call: string) => /^POST .*own\/claims$/.test(call);
  it.concurrent.each<[what: string, said: RegExp, lie: Lie]>([
    [
      'a unit too many',
      /6 granted, not 5/,
      (call, body) => (isCoupon(call) ? body.replace('"claimed_count":5', '"claimed_count":6') : body),
    ],
    [
      'two grants of one person',
      /5 grants went to 4 people/,
      (call, body) => {
        if (!isList(call)) return body;
        const page = JSON.parse(body) as { data: { user_id: string }[] };
        page.data[1]!.user_id = page.data[0]!.user_id;
        return JSON.stringify(page);
      },
    ],
    [
      'a gap in the sequence',
      /claim 3 in order has the sequence 4/,
      (call, body) => (isList(call) ? body.replace('"sequence":3', '"sequence":4') : body),
    ],
    [
      'an answer that is none of its own',
      /thresholds +crossed: claims_unexpected count==0/,
      (call, body, sent) => (isClaim(call) && sent.includes('-17"') ? 500 : body),
    ],
  ])(
    '%s fails the run',
    async (what, said, lie) => {
      const liar = await startLiar(lie);
      const { exitCode, output } = await runSmall('flash-sale', what.replaceAll(' ', '-'), [liar]);
      expect(output).toMatch(said);
      expect(exitCode).toBe(THRESHOLDS_CROSSED);
    },
    60_000,
  );
});
