import { writeFileSync } from 'node:fs';
import { migrate } from './migrate.ts';
import { dumpSchema } from './schema-dump.ts';
import { asAdmin, startThrowAway } from './throw-away.ts';

/** Where the committed dump of the schema is. */
const schemaFile = new URL('./schema.sql', import.meta.url);

/** Migrates an empty Postgres and writes its schema to schema.sql: `node --import tsx libs/db/write-schema.ts`. */
async function writeSchema(): Promise<void> {
  const cluster = await startThrowAway();
  try {
    await migrate({ url: cluster.url });
    writeFileSync(schemaFile, await asAdmin(cluster.url, dumpSchema));
  } finally {
    await cluster.stop();
  }
}

await writeSchema();
