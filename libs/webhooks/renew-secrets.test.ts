import { randomBytes } from 'node:crypto';
import { afterAll, expect, test } from 'vitest';
import { callbackSecrets, prepareCallbackSecrets, rotateCallbackSecret } from './callback-secret.ts';
import { readSeal } from './read-seal.ts';
import { renewSecrets } from './renew-secrets.ts';
import { createSeal } from './secret.ts';
import { secretText } from './sign.ts';
import { insertEndpoint, openWebhookDatabase } from './testing.ts';

const database = await openWebhookDatabase();
const { sql } = database;
afterAll(() => database.close());

test('callback secrets under a key that is not known are left as they are', async () => {
  const read = async () =>
    (await sql`select value from installation where key = ${callbackSecrets}`)[0]?.value;
  await prepareCallbackSecrets(sql, createSeal([randomBytes(32)]));
  const before = await read();
  await prepareCallbackSecrets(sql, createSeal([randomBytes(32)]));
  expect(await read()).toBe(before);
  await sql`delete from installation where key = ${callbackSecrets}`;
});

test('a key that is configured later takes over from the one in the database, and can be replaced', async () => {
  const [first, second, third] = [randomBytes(32), randomBytes(32), randomBytes(32)];
  const unconfigured = await readSeal(sql, []);
  expect((await readSeal(sql, [])).open(unconfigured.seal(first, 'x'), 'x')).toEqual(first);
  await prepareCallbackSecrets(sql, unconfigured);
  const { secret: callback } = await rotateCallbackSecret(sql, unconfigured, 60);
  const id = await insertEndpoint(sql);
  const secrets = [
    { sealed: unconfigured.seal(first, id), until: null },
    { sealed: unconfigured.seal(second, id), until: '2100-01-01T00:00:00+00:00' },
  ];
  await sql`update webhook_endpoints set secrets = ${sql.json(secrets)} where id = ${id}`;
  await insertEndpoint(sql); // Its secret does not open, and holds nobody up.

  for (const keys of [[second], [third, second]] as const) {
    expect([await renewSecrets(sql, [...keys]), await renewSecrets(sql, [...keys])]).toEqual([1, 0]);
  }
  // Neither the key in the database nor the one of before is needed any more.
  const alone = createSeal([third]);
  const [row] = await sql<{ secrets: typeof secrets; in_force: string[] }[]>`
    select secrets, webhook_secrets_in_force(secrets) as in_force from webhook_endpoints where id = ${id}`;
  expect(row?.in_force.map(sealed => alone.open(sealed, id))).toEqual([first, second]);
  expect(row?.secrets.map(({ until }) => until)).toEqual([null, secrets[1]?.until]);
  const [kept] = await sql<{ in_force: string[] }[]>`
    select webhook_secrets_in_force(value::jsonb) as in_force from installation where key = ${callbackSecrets}`;
  const opened = kept!.in_force.map(sealed => secretText(alone.open(sealed, callbackSecrets)));
  expect([opened.length, opened[0]]).toEqual([2, callback]);
});
