import { defineConfig } from 'vitest/config';

/** Style as a test, by itself: unlike the root's configuration it starts no Postgres. Every function is read: 5 s on a busy machine. */
export default defineConfig({
  test: { root: import.meta.dirname, include: ['*.test.ts'], testTimeout: 60_000 },
});
