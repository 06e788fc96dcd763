import { defineConfig } from 'vitest/config';

/** Style as a test, by itself: unlike the root's configuration it starts no Postgres. Reading every file takes a busy machine its time. */
export default defineConfig({
  test: { root: import.meta.dirname, include: ['*.test.ts'], testTimeout: 60_000 },
});
