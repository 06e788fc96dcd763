import { defineConfig } from 'vitest/config';

/** Style as a test, by itself: unlike the root's configuration it starts no Postgres. */
export default defineConfig({
  test: { root: import.meta.dirname, include: ['*.test.ts'], testTimeout: 60_000 },
});
