import { expect, test } from 'vitest';
import { findLines } from './files.ts';
import { measureFunctions } from './functions.ts';
import { hostedPackages, missingPackages } from './lock.ts';
import { findBrokenReferences } from './references.ts';
import { banned, machinePath, registryHost } from './vocabulary.ts';

const known = {
  paths: ['README.md', 'apps/api/main.ts', 'libs/claims/gate/admit.lua', 'libs/kernel/error.ts', '.ci/run'],
  scripts: { '': { start: '', check: '' }, loadtest: { compare: '' } },
  commands: ['migrate'],
};

const brokenIn = (text: string) => findBrokenReferences({ path: 'X.md', text }, known);

test('a reference to nothing is found', () => {
  for (const text of [
    'see `libs/claims/nowhere.ts`',
    'see `gone.sql` there',
    'see `claims/gone.ts` there',
    'see `.env.example` there',
    'see `libs/seats/`',
    'see `@claimline/kernel/gone`',
    'see [that](docs/gone.md)',
    'run `npm run gone`',
    'run `npm test`',
    'run `npm run compare`',
    'run `npx claimline gone`',
    '```sh\nnode --import tsx apps/gone/main.ts\n```',
    'see `libs/claims/gate/*.sql`',
  ])
    expect(brokenIn(text), text).toHaveLength(1);
});

test('a reference to something passes, and so does what is no reference', () => {
  const text = `\`libs/claims/gate/*.lua\` \`admit.lua\` \`libs/<lib>/error.ts\` \`@claimline/kernel/error\` \`libs/{claims,kernel}/\`
    [readme](README.md) [site](https://example.com/x.md) [part](#part) \`npm run compare -w loadtest\` \`npm start\` \`npm ci\`
    \`POST /api/coupons\` \`application/json\` \`npx claimline migrate\` \`bash .ci/run\` \`claims/gate/\`
    \`\`\`sh
    npm run check
    node --import tsx apps/api/main.ts
    \`\`\``;
  expect(brokenIn(text)).toEqual([]);
});

test("a function's own lines leave out what stands inside the functions within it", () => {
  const text = [
    'function outer() {',
    '  return [',
    '    1,',
    '  ].map(one => {',
    '    const two = one;',
    '    return two;',
    '  });',
    '}',
    'describe(() => {',
    '});',
  ];
  expect(measureFunctions({ path: 'x.ts', text: text.join('\n') })).toEqual([
    { name: 'outer', line: 1, ownLines: 6 },
    { name: 'map', line: 4, ownLines: 4 },
  ]);
});

test('words and places that are banned are found in a line, and innocent ones are not', () => {
  const find = (pattern: RegExp, lines: string[]) => findLines([{ path: 'x', text: '', lines }], pattern);
  const bad = [
    'the Voucher',
    'was cancelled',
    'lib/utils',
    'QueueManager',
    'claims are rejected',
    'the claim token',
    '// TODO',
  ];
  const good = ['canceled', 'node:util', 'a promise is rejected', 'the claim and its ticket', 'Content-Type'];
  const findAny = (lines: string[]) => banned.flatMap(({ pattern }) => find(pattern, lines));
  expect(findAny(bad)).toHaveLength(bad.length);
  expect(findAny(good)).toEqual([]);
  expect(find(machinePath, ['cd /home/ada/x', "'/tmp/x'", 'in C:\\\\Users'])).toHaveLength(3);
  expect(find(machinePath, ['tmpfs: [/tmp]', 'libs/homework/x', 'https://a.example/home/x'])).toEqual([]);
  expect(find(registryHost, ['https://registry.npmjs.org/x'])).toHaveLength(1);
  expect(find(registryHost, ['registry.metrics()', 'new Registry()'])).toEqual([]);
});

test('a lock file that lacks a platform or names a host is found', () => {
  const optionalDependencies = { 'a-darwin-arm64': '1.0.0', 'a-linux-x64': '1.0.0', 'b-linux-x64': '2.0.0' };
  const lock = {
    packages: {
      'node_modules/a': { dev: true, optionalDependencies },
      'node_modules/a-linux-x64': { resolved: 'https://registry.example/a.tgz' },
      'node_modules/a/node_modules/b-linux-x64': {},
      'node_modules/claims': { resolved: 'libs/claims' },
    },
  };
  expect(missingPackages(lock)).toEqual([{ name: 'a-darwin-arm64', version: '1.0.0', dev: true }]);
  expect(hostedPackages(lock)).toEqual(['node_modules/a-linux-x64']);
});
