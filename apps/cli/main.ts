import { ConfigError } from '@claimline/kernel/config';
import { Command } from 'commander';
import { envExample, printConfig, readConfig } from '../config.ts';
import { VERSION } from '../version.ts';
import { generateCodes, uploadFile } from './codes.ts';
import { runDev } from './dev.ts';
import { runMigrations } from './migrate.ts';
import { runReconcile } from './reconcile.ts';
import { runSeed } from './seed.ts';
import { runDeadLetters } from './validations.ts';
import { runVerify } from './verify.ts';

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

const codes = program.command('codes').description("fill a coupon's book, in the database at DATABASE_URL");

codes
  .command('generate <coupon>')
  .description('fill it with new codes')
  .requiredOption('--quantity <n>', 'how many, at most 1,000,000')
  .option('--pattern <pattern>', 'such as SUMMER-####-????: # is a digit, ? a letter, * either')
  .option('--prefix <text>', 'what every code begins with, without a pattern')
  .option('--length <n>', 'random characters after the prefix')
  .option('--alphabet <characters>', 'what random characters are drawn from')
  .option('--run <id>', 'carry on a run that broke off')
  .action(generateCodes);

codes
  .command('upload <coupon> <file>')
  .description('put the codes of a CSV file into it, the first field of each line')
  .action(uploadFile);

program
  .command('seed')
  .description(
    'fill the database with coupons, codes and owners to try and to measure on; the same seed gives the same data',
  )
  .option('--users <n>', 'people who may own codes', '1000000')
  .option('--coupons <n>', 'half of them public; 60 % active, 25 % expired, 15 % paused or ended', '5000')
  .option('--codes <n>', 'spread evenly over the coupons', '1000000')
  .option('--seed <n>', 'what everything is drawn from', '1')
  .option('--beside', 'also where the database has other data, which is left alone')
  .action(runSeed);

program
  .command('validations')
  .description('look after the usage log of validations')
  .command('dead-letters')
  .description(
    'list the attempts that could not be written: in the database, and in DATA_DIR on this machine',
  )
  .option('--replay', 'write them now; each is there once, however often this is run')
  .option('--json', 'print them as JSON')
  .addHelpText('after', '\nExit status: 0 none is left, 1 some are, 2 it could not be looked at.')
  .action(options => answer(() => runDeadLetters(options)));

program
  .command('config')
  .description('print the configuration, secrets masked')
  .option('--example', 'print every setting with its default and what it is for: the text of .env.example')
  .action(({ example }: { example?: true }) => {
    process.stdout.write(example ? envExample() : `${printConfig(readConfig())}\n`);
  });

program
  .command('verify')
  .description(
    'prove every invariant from the tables, and gate and queue against them; reads only, also in mid-sale',
  )
  .option('--coupon <name>', 'only this coupon')
  .option('--tables', 'only the tables: needs no queue')
  .option('--strict', 'notes count as violations: for a coupon that nobody touched by hand')
  .option('--json', 'print the report as JSON')
  .addHelpText('after', '\nExit status: 0 all hold, 1 one is violated, 2 it could not be checked.')
  .action(options => answer(() => runVerify(options)));

program
  .command('reconcile')
  .description('find what differs between gate, queue and tables, and put it right')
  .option('--repair', 'put right what can be; safe in mid-sale and when repeated')
  .option('--coupon <name>', 'only this coupon')
  .option('--json', 'print what was found and done as JSON')
  .addHelpText('after', '\nExit status: 0 nothing is left, 1 something is, 2 it could not be compared.')
  .action(options => answer(() => runReconcile(options)));

/** A command whose answer is its exit status; 2 when there is none. */
async function answer(command: () => Promise<0 | 1>) {
  try {
    process.exitCode = await command();
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 2;
  }
}

try {
  await program.parseAsync();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = error instanceof ConfigError ? 2 : 1;
}
