import { existsSync, readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { points } from '@claimline/bookings';
import {
  ConfigError,
  onOff,
  parseSettings,
  type SettingsShape,
  secondsList,
  wholeNumber,
} from '@claimline/kernel/config';
import { logLevels } from '@claimline/telemetry/log';
import { parseAllowList, parseSecretKeys } from '@claimline/webhooks';
import { z } from 'zod';

/** What an Authorization header can carry to the letter; a blank would end it there. */
const OPERATOR_KEY = /^[!-~]{16,}$/;

/** A setting's schema, with what `.env.example` says about it. */
function setting<Schema extends z.ZodType>(schema: Schema, text: string, isSecret = false): Schema {
  return schema.meta({ text, isSecret }) as Schema;
}

function url(schemes: string[]) {
  const message = `must be an address that starts with ${schemes.map(scheme => `${scheme}//`).join(' or ')}`;
  return z.string().refine(text => URL.canParse(text) && schemes.includes(new URL(text).protocol), message);
}

/** A comma behind user and password, both of which may have one. */
const HOST_LIST = /^\w+:\/\/(?:[^/?#]*@)?[^/?#@]*,[^/?#@]*(?:[/?#]|$)/;

/** The address of one database server. The queue's driver takes no list of hosts. */
function databaseUrl() {
  return z
    .string()
    .refine(text => !HOST_LIST.test(text), { error: 'must name one host, and no list of them', abort: true })
    .pipe(url(['postgres:', 'postgresql:']));
}

/** A text that `parse` can read; what it throws otherwise says what is wrong. */
function readableBy(parse: (text: string) => unknown) {
  return z
    .string()
    .check(({ value, issues }) => {
      try {
        parse(value);
      } catch (error) {
        issues.push({ code: 'custom', message: (error as Error).message, input: value });
      }
    })
    .optional();
}

/**
 * Every setting of every process, so that one .env serves them all. This file is the only reader of
 * the environment. Limits that nobody should need to turn are constants beside what they limit.
 */
export const settings = {
  PORT: setting(wholeNumber({ min: 0, max: 65_535, fallback: 3000 }), 'Port of the API; 0 takes a free one.'),
  HOST: setting(
    z.string().default('127.0.0.1'),
    'Address the API listens on. Any but a loopback address needs OPERATOR_KEY.',
  ),
  OPERATOR_KEY: setting(
    z
      .string()
      .regex(OPERATOR_KEY, 'must be at least 16 letters, digits and signs of ASCII, without a blank')
      .optional(),
    'Key for what operators and merchants call: coupons, events, lists, refunds, webhooks, metrics, the board. Without it all is open, on loopback only.',
    true,
  ),
  DATABASE_URL: setting(
    databaseUrl().optional(),
    'Postgres 14 or newer. Without it `npm start` runs an embedded one in DATA_DIR.',
    true,
  ),
  REDIS_URL: setting(
    url(['redis:', 'rediss:']).optional(),
    'Redis 6.2 or newer, maxmemory-policy noeviction. Without it the queue is in Postgres too, at a fraction of the speed.',
    true,
  ),
  DATA_DIR: setting(
    z.string().default('.data'),
    'Where the embedded Postgres keeps its data, and what of the log of validations no database took.',
  ),
  LOG_LEVEL: setting(
    z.enum(logLevels, { error: `must be one of ${logLevels.join(', ')}` }).default('info'),
    'Least level of the JSON log on standard output.',
  ),
  SHUTDOWN_TIMEOUT_SECONDS: setting(
    wholeNumber({ min: 3, max: 600, fallback: 30 }),
    'A process that was told to stop is gone by then, whatever is under way.',
  ),
  DRAIN_SECONDS: setting(
    wholeNumber({ min: 0, max: 60, fallback: 0 }),
    'Time between "not ready" and closing the door, for a load balancer to notice: at most half of SHUTDOWN_TIMEOUT_SECONDS. 5 is usual on Kubernetes.',
  ),
  DATABASE_CONNECTIONS: setting(
    wholeNumber({ min: 1, max: 200, fallback: 10 }),
    'Most Postgres connections of a process for queries, and again for the queue where it is in Postgres; about ten more do single tasks and listen.',
  ),
  LANES_PER_WORKER: setting(
    wholeNumber({ min: 1, max: 10_000, fallback: 1000 }),
    'Most lanes of each kind (claims, seats, webhooks) that a worker has open; on Redis one costs about 0.3 MB and a connection: with 1000 up to 3,000 lanes, 0.9 GB and 3,000 connections where all are busy.',
  ),
  WORKER_PORT: setting(
    wholeNumber({ min: 0, max: 65_535, fallback: 0 }),
    'Port on HOST where a worker answers /livez, /readyz and /metrics; 0 for none.',
  ),
  BOARD_WRITABLE: setting(onOff(false), 'Whether operators may retry, pause and clean in Bull Board.'),
  REFUSALS_KEPT_DAYS: setting(
    wholeNumber({ min: 1, max: 3650, fallback: 30 }),
    'How long the ticket of a refused claim, or of a refused request for seats, can be read. Claims are kept for ever.',
  ),
  VALIDATION_LOG_DAYS: setting(
    wholeNumber({ min: 1, max: 3650, fallback: 90 }),
    'How long the row of a validation is kept. Statistics are kept as long as their coupon.',
  ),
  VERIFY_SECONDS: setting(
    wholeNumber({ min: 0, max: 86_400, fallback: 900 }),
    'How often a worker proves the invariants from the tables, as `claimline verify` does; less often where that takes longer than a twentieth of this, 0 for never.',
  ),
  MEND_SECONDS: setting(
    wholeNumber({ min: 0, max: 3600, fallback: 15 }),
    'How often a worker mends what a crash, or a restore of the database, left between gate, queue and tables; 0 for never. It never touches stock.',
  ),
  REQUESTS_IN_FLIGHT: setting(
    wholeNumber({ min: 1, max: 1_000_000, fallback: 10_000 }),
    'Most requests that an API process works on at once; who comes then is told 503. Calls that need a key get a tenth more; health and metrics are counted apart.',
  ),
  REQUESTS_WAITING: setting(
    wholeNumber({ min: 0, max: 1_000_000, fallback: 20_000 }),
    'Most requests and streams of an API process that wait for an outcome; who comes then is told at once how things stand.',
  ),
  CLAIM_WAIT_MS: setting(
    wholeNumber({ min: 10, max: 60_000, fallback: 1500 }),
    'Longest wait for a place in line that may last. After two seconds in which the first of every train waited longer, only as many may wait as are through in half of it, at least 500; the others are told 503.',
  ),
  PAYMENT_MOCK: setting(
    z.enum(['on', 'off'], 'must be on or off').optional(),
    'The payment method `mock`, which takes no money. Unless set, it is on where HOST is a loopback address and there is neither an OPERATOR_KEY nor a STRIPE_SECRET_KEY.',
  ),
  PAYMENT_PENDING_SECONDS: setting(
    wholeNumber({ min: 30, max: 604_800, fallback: 900 }),
    'How long a payment may be pending, and its seats held for it, before it is canceled at the provider.',
  ),
  STRIPE_SECRET_KEY: setting(
    z.string().optional(),
    'Secret key of a Stripe account. Without it the payment method `stripe` is not offered.',
    true,
  ),
  STRIPE_WEBHOOK_SECRET: setting(
    z.string().optional(),
    'Signing secret of the Stripe webhook that leads to /api/payments/stripe/webhook.',
    true,
  ),
  STRIPE_API_URL: setting(
    url(['https:', 'http:']).default('https://api.stripe.com'),
    'Where Stripe is; another address for tests.',
  ),
  FAULT_POINT: setting(
    z.enum(points, { error: `must be one of ${points.join(', ')}` }).optional(),
    'For fault runs, on a loopback HOST alone: the process kills itself each time a booking passes this point.',
  ),
  RATE_LIMITS: setting(onOff(true), 'Rate limits; off for load tests. There are none yet.'),
  WEBHOOK_ALLOW_HOSTS: setting(
    readableBy(parseAllowList),
    'Hosts and networks that may receive webhooks although they are private or speak http, such as 10.0.0.0/8, shop.internal.',
  ),
  WEBHOOK_SECRET_KEY: setting(
    readableBy(parseSecretKeys),
    'Seals webhook secrets in the database: 32 bytes as base64 or hex; after a comma, other keys that open. Without it, one kept in that database.',
    true,
  ),
  WEBHOOK_TIMEOUT_SECONDS: setting(
    wholeNumber({ min: 1, max: 60, fallback: 15 }),
    'How long a receiver of webhooks has for its answer.',
  ),
  WEBHOOK_SCHEDULE_SECONDS: setting(
    secondsList({ most: 7 * 86_400, fallback: '0,5,300,1800,7200,18000,36000,36000' }),
    'The waits before each attempt to deliver a webhook, the first of which is made at once; a fifth more or less by chance.',
  ),
  WEBHOOK_THROTTLED_SECONDS: setting(
    wholeNumber({ min: 0, max: 3600, fallback: 60 }),
    'The least wait after a receiver did not answer in time, or answered 429.',
  ),
  WEBHOOK_CONCURRENCY: setting(
    wholeNumber({ min: 1, max: 100, fallback: 10 }),
    'Attempts under way to one endpoint at a time.',
  ),
  WEBHOOK_MESSAGES_KEPT_DAYS: setting(
    wholeNumber({ min: 2, max: 3650, fallback: 30 }),
    'How long messages and their attempts can be read, sent again and recovered. Then they are gone, also those not delivered yet.',
  ),
  WEBHOOK_DISABLE_HOURS: setting(
    wholeNumber({ min: 1, max: 8760, fallback: 120 }),
    'An endpoint is disabled after so long of nothing but failures.',
  ),
} as const satisfies SettingsShape;

/** What docker-compose.yml takes from a .env file beside it, which `npm start` in the same folder reads too. */
const composeSettings = ['POSTGRES_PASSWORD'];

export type Config = ReturnType<typeof readConfig>;

/** The process's settings: the environment, over a .env file in the working folder. Throws ConfigError. */
export function readConfig(overrides: Record<string, string> = {}) {
  const file = existsSync('.env') ? parseEnv(readFileSync('.env', 'utf8')) : {};
  for (const name of composeSettings) delete file[name];
  const config = parseSettings(settings, { ...process.env, ...overrides }, file);
  // Whoever waits longer has no time left for what is under way, and would cut it off.
  if (config.DRAIN_SECONDS > config.SHUTDOWN_TIMEOUT_SECONDS / 2)
    throw new ConfigError(['DRAIN_SECONDS: must be at most half of SHUTDOWN_TIMEOUT_SECONDS']);
  return config;
}

/** The environment of a child process: ours, with `overrides`. */
export function childEnvironment(overrides: Record<string, string>): NodeJS.ProcessEnv {
  return { ...process.env, ...overrides };
}

/** The settings as lines NAME=value, secrets masked; `# default` where nothing was set. */
export function printConfig(config: Config): string {
  return Object.keys(settings)
    .map(name => {
      const value = config[name as keyof Config];
      return `${name}=${value === undefined ? '' : maskSecret(name as keyof Config, value)}`;
    })
    .join('\n');
}

function maskSecret(name: keyof Config, value: unknown): string {
  if (!settings[name].meta()?.isSecret)
    return typeof value === 'boolean' ? (value ? 'on' : 'off') : String(value);
  if (!name.endsWith('_URL')) return MASK;
  const address = new URL(String(value));
  if (address.password) address.password = MASK;
  for (const key of address.searchParams.keys())
    if (/pass|secret|token|key/i.test(key)) address.searchParams.set(key, MASK);
  return address.toString();
}

const MASK = '********';

/** The text of .env.example: every setting with what it is for and its default. */
export function envExample(): string {
  const lines = Object.entries(settings).map(([name, schema]) => {
    const fallback = (schema as z.ZodType).safeParse(undefined).data;
    const text = String(schema.meta()?.text);
    const value = typeof fallback === 'boolean' ? (fallback ? 'on' : 'off') : (fallback ?? '');
    return `# ${text}\n# ${name}=${value}\n`;
  });
  return `# Every setting, with its default. Copy to .env and take the # away where you need another.\n\n${lines.join('\n')}`;
}
