import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['tidy/*.test.ts', 'apps/**/*.test.ts', 'libs/**/*.test.ts', 'loadtest/**/*.test.ts'],
    globalSetup: ['libs/db/testing-setup.ts'],
    // Tests start real servers: more of them at once would measure the machine, not the code.
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 120_000,
    teardownTimeout: 30_000,
    // A Postgres of yours to test on; an embedded one when empty.
    provide: { externalDatabaseUrl: process.env.CLAIMLINE_TEST_DATABASE_URL ?? '' },
  },
});
