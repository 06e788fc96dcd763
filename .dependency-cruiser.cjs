/**
 * The import rules of the house (ARCHITECTURE.md). Imports go down; a slice names its siblings;
 * what we depend on outside is fenced in.
 */
const GROUND = ['kernel', 'telemetry', 'db', 'queue', 'http', 'tickets'];
const SLICES = {
  coupons: [],
  claims: ['coupons'],
  codes: ['claims', 'coupons'],
  seats: [],
  validations: ['codes', 'coupons'],
  payments: [],
  bookings: ['payments', 'seats'],
  webhooks: ['claims'],
};
const FENCES = {
  bullmq: '^(libs/queue|loadtest/baselines)/',
  'ioredis|pg|@bull-board/.*': '^libs/queue/',
  postgres: '^(libs/db|loadtest/baselines)/',
  commander: '^apps/cli/',
  stripe: '^libs/payments/stripe(\\.test)?\\.ts$',
  undici: '^libs/webhooks/send\\.ts$',
  standardwebhooks:
    '^(libs/webhooks/.*\\.test(suite)?|apps/system-tests/webhooks\\.test|loadtest/receiver(\\.test)?)\\.ts$',
};

const inside = names => `^libs/(${names.join('|')})/`;

module.exports = {
  forbidden: [
    {
      name: 'no-circles',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    { name: 'no-missing', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'libs-know-no-apps',
      severity: 'error',
      from: { path: '^libs/' },
      to: { path: '^(apps|loadtest)/' },
    },
    // The ground floor in order: each may use those before it.
    ...GROUND.map((lib, i) => ({
      name: `${lib}-looks-down`,
      severity: 'error',
      from: { path: `^libs/${lib}/` },
      to: { path: '^libs/', pathNot: inside(GROUND.slice(0, i + 1)) },
    })),
    ...Object.entries(SLICES).map(([slice, siblings]) => ({
      name: `${slice}-names-its-siblings`,
      severity: 'error',
      from: { path: `^libs/${slice}/` },
      to: { path: '^libs/', pathNot: inside([...GROUND, slice, ...siblings]) },
    })),
    ...Object.keys(SLICES).map(slice => ({
      name: `${slice}-by-its-doors`,
      severity: 'error',
      from: { pathNot: `^libs/${slice}/` },
      to: { path: `^libs/${slice}/(?!(index|http|jobs|verify|reconcile)\\.ts$)` },
    })),
    {
      name: 'api-has-no-jobs',
      severity: 'error',
      from: { path: '^apps/api/' },
      to: { path: '^libs/[^/]+/jobs\\.ts$' },
    },
    {
      name: 'worker-has-no-http',
      severity: 'error',
      from: { path: '^apps/worker/' },
      to: { path: `^libs/(${Object.keys(SLICES).join('|')})/http\\.ts$` },
    },
    ...Object.entries(FENCES).map(([packages, home]) => ({
      name: `fence-${packages.split('|')[0].replaceAll(/\W/g, '')}`,
      severity: 'error',
      from: { path: '^(apps|libs|loadtest)/', pathNot: home },
      to: { path: `^node_modules/(${packages})/` },
    })),
    {
      name: 'tests-are-not-imported',
      severity: 'error',
      from: { pathNot: '\\.test\\.ts$' },
      to: { path: '\\.test\\.ts$' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^\\.data' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
    },
  },
};
