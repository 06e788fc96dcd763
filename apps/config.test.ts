import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { ConfigError, parseSettings } from '@claimline/kernel/config';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { envExample, printConfig, readConfig, settings } from './config.ts';
import { startProcess } from './testing.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'claimline-config-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What a command of the command line says in the working folder. */
async function runCli(args: string[], env: Record<string, string> = {}, file?: string) {
  if (file === undefined) rmSync(join(folder, '.env'), { force: true });
  else writeFileSync(join(folder, '.env'), file);
  const cli = startProcess('cli', env, { args, cwd: folder });
  const { code } = await cli.exited;
  return { code, out: cli.stdout(), error: cli.stderr() };
}

describe('a mistake in the environment', () => {
  const mistakes = {
    DATABSE_URL: 'postgres://localhost/shop',
    PORT: 'abc',
    LOG_LEVEL: 'loud',
    DATABASE_URL: 'mysql://shop:hunter2@localhost/shop',
    OPERATOR_KEY: 'too-short',
    BOARD_WRITABLE: 'yes',
  };

  test('stops every process with code 2 and a line for each variable', async () => {
    const commands: [Parameters<typeof startProcess>[0], string[]][] = [
      ['api', []],
      ['worker', []],
      ['cli', ['dev']],
      ['cli', ['migrate']],
      ['cli', ['config']],
    ];
    const started = commands.map(([app, args]) => startProcess(app, mistakes, { args }));
    for (const [i, { exited, stdout, stderr }] of started.entries()) {
      const about = commands[i]!.flat().join(' ');
      expect(await exited, about).toEqual({ code: 2, signal: null });
      expect(stdout(), about).toBe('');
      const lines = stderr().trim().split('\n');
      expect(lines, about).toHaveLength(1 + Object.keys(mistakes).length);
      for (const name of Object.keys(mistakes))
        expect(
          lines.filter(line => line.includes(`${name}: `)),
          `${name} of ${about}`,
        ).toHaveLength(1);
      expect(stderr(), about).toContain('did you mean DATABASE_URL?');
      expect(stderr(), about).not.toMatch(/hunter2|too-short/);
    }
  });

  test.each([
    ['PORT', '65536'],
    ['PORT', '-1'],
    ['PORT', '80.5'],
    ['PORT', ' 80'],
    ['PORT', '0x50'],
    ['SHUTDOWN_TIMEOUT_SECONDS', '0'],
    ['DATABASE_CONNECTIONS', '1e2'],
    ['DATABASE_URL', 'localhost:5432'],
    ['DATABASE_URL', 'postgres'],
    ['REDIS_URL', 'http://localhost:6379'],
    ['OPERATOR_KEY', 'a key of several words'],
    ['OPERATOR_KEY', 'a-key-with-an-umlaut-ü'],
    ['LOG_LEVEL', 'INFO'],
    ['RATE_LIMITS', 'true'],
    ['WEBHOOK_ALLOW_HOSTS', 'localhost,10.0.0.0/33'],
    ['WEBHOOK_SECRET_KEY', 'hunter2'],
  ])('%s=%s', (name, value) => {
    const read = () => parseSettings(settings, { [name]: value });
    expect(read).toThrow(ConfigError);
    expect(read).toThrow(new RegExp(`^  ${name}: must be .+$`, 'm'));
  });

  test('a drain that leaves no time to finish is refused', () => {
    expect(() => readConfig({ DRAIN_SECONDS: '16', SHUTDOWN_TIMEOUT_SECONDS: '30' })).toThrow(
      'DRAIN_SECONDS: must be at most half of SHUTDOWN_TIMEOUT_SECONDS',
    );
    expect(readConfig({ DRAIN_SECONDS: '15', SHUTDOWN_TIMEOUT_SECONDS: '30' })).toMatchObject({
      DRAIN_SECONDS: 15,
    });
  });

  test('says which address is wanted', () => {
    expect(() => parseSettings(settings, { DATABASE_URL: 'mysql://localhost/x' })).toThrow(
      'DATABASE_URL: must be an address that starts with postgres:// or postgresql://',
    );
  });
});

test('several hosts are refused as such, and a password may have a comma', () => {
  const read = (address: string) => parseSettings(settings, { DATABASE_URL: address }).DATABASE_URL;
  for (const hosts of ['a.test,b.test', 'a.test:5432,b.test:5433', 'shop:hunter2@a.test,b.test'])
    expect(() => read(`postgres://${hosts}/shop`)).toThrow(
      /^ {2}DATABASE_URL: must name one host, and no list of them$/m,
    );
  for (const one of ['postgres://shop:a,b@a.test/shop', 'postgres://a.test/shop?options=-c%20a=b,c'])
    expect(read(one)).toBe(one);
});

test("another program's variables are left alone", () => {
  const foreign = {
    PGHOST: 'x',
    HOSTNAME: 'x',
    PORTAL: 'x',
    NODE_ENV: 'production',
    npm_config_loglevel: 'x',
    POST: 'x',
    // What Kubernetes sets for a Service called claimline.
    CLAIMLINE_SERVICE_HOST: '10.0.0.7',
    CLAIMLINE_PORT: 'tcp://10.0.0.7:3000',
    CLAIMLINE_PORT_3000_TCP: 'tcp://10.0.0.7:3000',
  };
  expect(() => parseSettings(settings, foreign)).not.toThrow();
});

test('an empty value counts as none', () => {
  const empty = Object.fromEntries(Object.keys(settings).map(name => [name, '']));
  expect(parseSettings(settings, empty)).toEqual(parseSettings(settings, {}));
});

describe('.env in the working folder', () => {
  test('is read, and the environment wins over it', async () => {
    const file = '# a comment\nPORT=4001\nLOG_LEVEL="debug"\nDRAIN_SECONDS=\n';
    const { code, out } = await runCli(['config'], { LOG_LEVEL: 'warn' }, file);
    expect(code).toBe(0);
    expect(parseEnv(out)).toMatchObject({
      PORT: '4001',
      LOG_LEVEL: 'warn',
      DRAIN_SECONDS: '0',
      HOST: '127.0.0.1',
    });
  });

  test('may name nothing that is no setting', async () => {
    const { code, error } = await runCli(['config'], {}, 'PORT=4001\nCOLOUR=blue\n');
    expect(code).toBe(2);
    expect(error.trim().split('\n')).toEqual([
      'The configuration is not valid:',
      '  COLOUR: no such setting',
    ]);
  });

  test('may have what docker compose takes from it', async () => {
    expect((await runCli(['config'], {}, 'POSTGRES_PASSWORD=letters\n')).code).toBe(0);
  });

  test('is read by the other processes as well', async () => {
    writeFileSync(join(folder, '.env'), 'PORT=abc\n');
    for (const app of ['api', 'worker'] as const) {
      const started = startProcess(app, {}, { cwd: folder });
      expect(await started.exited).toEqual({ code: 2, signal: null });
      expect(started.stderr()).toContain('  PORT: must be a whole number from 0 to 65535');
    }
  });
});

test('`claimline config` masks secrets, also those within addresses', async () => {
  const secrets = {
    OPERATOR_KEY: 'operator:hunter2-hunter2', // Looks like an address to a parser.
    DATABASE_URL: 'postgres://shop:hunter2%40x@db.test:5433/shop?application_name=a&password=hunter2',
    REDIS_URL: 'rediss://:hunter2@cache.test:6380/1',
    WEBHOOK_SECRET_KEY: `hunter2${'a'.repeat(37)}`.slice(0, 43),
  };
  const { code, out } = await runCli(['config'], secrets);
  expect(code).toBe(0);
  expect(out).not.toContain('hunter2');
  expect(out).toContain('db.test:5433/shop');
  expect(out).toContain('cache.test:6380/1');
  expect(parseEnv(out).OPERATOR_KEY).toMatch(/^\*+$/);
});

test('.env.example is what `claimline config --example` prints', async () => {
  const { code, out } = await runCli(['config', '--example']);
  expect(code).toBe(0);
  expect(out).toBe(envExample());
  expect(
    readFileSync(new URL('../.env.example', import.meta.url), 'utf8'),
    'run: npx claimline config --example > .env.example',
  ).toBe(out);
});

test('the example names every setting, and its values are the defaults', () => {
  const uncommented = envExample().replaceAll(/^# (?=[A-Z_]+=)/gm, '');
  const values = parseEnv(uncommented);
  expect(Object.keys(values).sort()).toEqual(Object.keys(settings).sort());
  const defaults = parseSettings(settings, {});
  expect(parseSettings(settings, {}, values)).toEqual(defaults);
  expect(printConfig(defaults).split('\n')).toHaveLength(Object.keys(settings).length);
});
