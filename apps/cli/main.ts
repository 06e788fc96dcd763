import { ConfigError } from '@claimline/kernel/config';
import { Command } from 'commander';
import { envExample, printConfig, readConfig } from '../config.ts';
import { VERSION } from '../version.ts';
import { runDev } from './dev.ts';
import { runMigrations } from './migrate.ts';

const program = new Command('claimline')
  .description('Hands out limited stock under a stampede.')
  .version(VERSION);

program
  .command('dev')
  .description('run everything: an embedded Postgres where none is configured, migrations, API and worker')
  .action(runDev);

program
  .command('migrate')
  .description('bring the database at DATABASE_URL up to date')
  .action(() => runMigrations(readConfig()));

program
  .command('config')
  .description('print the configuration, secrets masked')
  .option('--example', 'print every setting with its default and what it is for: the text of .env.example')
  .action(({ example }: { example?: true }) => {
    process.stdout.write(example ? envExample() : `${printConfig(readConfig())}\n`);
  });

try {
  await program.parseAsync();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = error instanceof ConfigError ? 2 : 1;
}
