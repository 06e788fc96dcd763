import { randomUUID } from 'node:crypto';
import { openTransactions, transaction } from '@claimline/db/transaction';
import { expect, test } from 'vitest';
import type { Answer } from '../answers.ts';
import { awaitUntil } from '../await-until.ts';
import type { ThisStack } from '../engines.ts';
import { isReplay, keyed, untilAnswered } from '../idempotency-key.ts';
import { keyedCalls, type Ready } from './calls.ts';

const slowMs = 60_000;
const atOnce = 6;

type Document = { paths: Record<string, Record<string, { parameters?: { name: string }[] }>> };

/** An advisory lock: while somebody has it, answers that are to be kept wait. */
const ANSWERS = 1;
const holdAnswers = `
  create function hold_answer() returns trigger language plpgsql as $$
    begin
      perform pg_advisory_xact_lock(${ANSWERS});
      return new;
    end $$;
  create trigger hold_answer before update on idempotency_keys for each row when (new.status is not null)
    execute function hold_answer();`;

/** The same key again, in every call that takes one: sent at once, one after the other, and after a kill. */
export function everyCall(stack: ThisStack): void {
  const calls = keyedCalls(stack);
  const byReference = Object.entries(calls).flatMap(([call, { prepare, worksOn }]) =>
    worksOn === undefined ? [] : [{ call, prepare, worksOn }],
  );

  /** Sends it with the key until there is an answer: the first request, or its work, may count as running. */
  function send(ready: Ready, key: string, apis?: string[]): Promise<Answer> {
    const client = stack().client(apis);
    return untilAnswered(() => client.post(ready.path, ready.body, keyed(key, ready.headers)), [409, 503]);
  }

  test('these are all the calls that take an Idempotency-Key', async () => {
    const { paths } = (await stack().client().get('/openapi.json')).body as unknown as Document;
    const taking = Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods)
        .filter(([, { parameters = [] }]) => parameters.some(({ name }) => name === 'Idempotency-Key'))
        .map(([method]) => `${method.toUpperCase()} ${path}`),
    );
    expect(Object.keys(calls).sort()).toEqual(taking.sort());
  });

  test.each(Object.entries(calls))(
    '%s with one key has one effect and one answer',
    async (_, { prepare, whileWorkersStand }) => {
      const ready = await prepare();
      const sendAll = async () => {
        const before = await ready.effect();
        const key = randomUUID();
        const answers = await Promise.all(Array.from({ length: atOnce }, () => send(ready, key)));
        const [first] = answers.filter(answer => !isReplay(answer));
        expect(answers.filter(isReplay).length).toBe(atOnce - 1);
        expect([200, 201], first!.text).toContain(first!.status);
        for (const answer of [...answers, await send(ready, key)])
          expect([answer.status, answer.text]).toEqual([first!.status, first!.text]);
        expect((await ready.effect()) - before).toBe(ready.once);
      };
      await (whileWorkersStand ? stack().whileWorkersStand(sendAll) : sendAll());
    },
  );

  test('killed before the work, and again before its answer is kept: all calls that go by reference', {
    timeout: slowMs,
  }, async () => {
    const { sql, database, apis, killApi, startApi } = stack();
    const patient = openTransactions({ url: database, applicationName: 'killing', idleInTransactionMs: 0 });
    const all: { call: string; ready: Ready; key: string; before: number }[] = [];
    for (const { call, prepare } of byReference) {
      const ready = await prepare();
      all.push({ call, ready, key: randomUUID(), before: await ready.effect() });
    }
    const tables = [...new Set(byReference.map(({ worksOn }) => worksOn))];

    /** Sends all of them to the API that will die. */
    const start = () => {
      for (const { ready, key } of all)
        fetch(apis[0] + ready.path, {
          method: 'POST',
          headers: { 'content-type': 'application/json', 'idempotency-key': key, ...ready.headers },
          body: JSON.stringify(ready.body),
        }).catch(() => {});
    };
    /** kill -9; what its connections wait to do is not done either. */
    const kill = async () => {
      await killApi(0);
      await sql`
        select pg_terminate_backend(pid) from pg_stat_activity
        where application_name like 'claimline api%' and wait_event_type = 'Lock'`;
    };
    const passTime = async () => {
      await sql`update idempotency_keys set leased_until = now() where status is null`;
      await sql`update code_runs set leased_until = now() where status = 'running'`;
    };

    await transaction(patient, async tx => {
      await tx.unsafe(`lock table ${tables.join(', ')} in share mode`);
      start();
      await awaitUntil('all work to begin', async () => {
        const begun = await sql`select from idempotency_keys where key in ${sql(all.map(({ key }) => key))}`;
        const held = await sql`
          select distinct relation from pg_locks where not granted and relation::regclass::text in ${sql(tables)}`;
        return begun.length === all.length && held.length === tables.length;
      });
      await kill();
    });
    await passTime();
    await startApi();
    await transaction(patient, async tx => {
      await tx`select pg_advisory_xact_lock(${ANSWERS})`;
      await sql.unsafe(holdAnswers);
      start();
      await awaitUntil('all work to be done', async () => {
        for (const { ready, before } of all) if ((await ready.effect()) === before) return false;
        return true;
      });
      await kill();
    });
    await sql`drop function hold_answer() cascade`;
    await passTime();
    for (const { call, ready, key, before } of all) {
      const answer = await send(ready, key, [apis[1]!]);
      expect([200, 201], `${call}: ${answer.text}`).toContain(answer.status);
      expect((await ready.effect()) - before, call).toBe(ready.once);
      const again = await send(ready, key, [apis[1]!]);
      expect([again.status, again.text, isReplay(again)]).toEqual([answer.status, answer.text, true]);
    }
    await startApi();
    await patient.close();
  });
}
