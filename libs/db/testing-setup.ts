import type { TestProject } from 'vitest/node';
import { migrate } from './migrate.ts';
import { asAdmin, startThrowAway, withDatabase } from './throw-away.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** A Postgres to test on instead of an embedded one, or empty; its user may create databases. */
    externalDatabaseUrl: string;
    testDatabases: { url: string; template: string };
  }
}

/**
 * vitest's global setup: one Postgres for the whole run, with one migrated database in it that each
 * test database is a copy of (testing.ts).
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const external = project.config.provide.externalDatabaseUrl;
  const cluster = external ? undefined : await startThrowAway();
  const url = cluster?.url ?? external ?? '';
  const template = `claimline_template_${process.pid}`;

  async function teardown() {
    if (external) await asAdmin(url, sql => sql`drop database if exists ${sql(template)} with (force)`);
    await cluster?.stop();
  }
  try {
    await asAdmin(url, sql => sql`create database ${sql(template)}`);
    await migrate({ url: withDatabase(url, template) });
  } catch (error) {
    await teardown();
    throw error;
  }
  project.provide('testDatabases', { url, template });
  return teardown;
}
