import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { createSeal, openThose, parseSecretKeys } from './secret.ts';

const [older, newer] = [randomBytes(32), randomBytes(32)];
const secret = randomBytes(32);

test('what is sealed opens for its owner, under the new key and under that of before', () => {
  const before = createSeal([older]).seal(secret, 'ep_1');
  const both = createSeal([newer, older]);
  expect(both.open(before, 'ep_1')).toEqual(secret);
  const sealed = both.seal(secret, 'ep_1');
  expect(createSeal([newer]).open(sealed, 'ep_1')).toEqual(secret);
  expect(both.seal(secret, 'ep_1')).not.toBe(sealed);
  expect(Buffer.from(sealed, 'base64').includes(secret)).toBe(false);
});

test('what is renewed is under the new key alone, and nothing is done twice', () => {
  const before = createSeal([older]).seal(secret, 'ep_1');
  const both = createSeal([newer, older]);
  const renewed = both.renew(before, 'ep_1');
  expect(createSeal([newer]).open(renewed, 'ep_1')).toEqual(secret);
  expect(both.renew(renewed, 'ep_1')).toBe(renewed);
  expect(() => both.renew(before, 'ep_2')).toThrow();
});

test('it does not open for another owner, under another key, or when a bit of it has changed', () => {
  const seal = createSeal([newer]);
  const sealed = seal.seal(secret, 'ep_1');
  expect(() => seal.open(sealed, 'ep_2')).toThrow();
  expect(() => createSeal([older]).open(sealed, 'ep_1')).toThrow('not among those of WEBHOOK_SECRET_KEY');
  const bytes = Buffer.from(sealed, 'base64');
  for (const at of bytes.keys()) {
    const changed = Buffer.from(bytes);
    changed[at]! ^= 1;
    expect(() => seal.open(changed.toString('base64'), 'ep_1'), `byte ${at}`).toThrow();
  }
  for (const length of [0, 3, 20, bytes.length - 1])
    expect(() => seal.open(bytes.toString('base64', 0, length), 'ep_1'), `${length} bytes`).toThrow();
});

test('keys are 32 bytes in base64 or hex, the newest first, and are not repeated in a complaint', () => {
  const text = `${newer.toString('base64')}, ${older.toString('hex')},${older.toString('base64url')}`;
  expect(parseSecretKeys(text)).toEqual([newer, older, older]);
  expect(parseSecretKeys('')).toEqual([]);
  for (const bad of [
    'hunter2',
    'x'.repeat(32),
    newer.toString('hex').slice(2),
    `${newer.toString('base64')}!`,
  ])
    expect(() => parseSecretKeys(bad)).toThrow(
      /^must be 32 random bytes as base64 or hex: openssl rand -base64 32$/,
    );
});

test('of several texts those open whose key is known', () => {
  const [kept, lost] = [createSeal([randomBytes(32)]), createSeal([randomBytes(32)])];
  const plain = randomBytes(32);
  const [open, shut] = [kept.seal(plain, 'ep_1'), lost.seal(randomBytes(32), 'ep_1')];
  expect(openThose(kept, [shut, open, shut], 'ep_1')).toEqual([plain]);
  expect(() => openThose(kept, [shut], 'ep_1')).toThrow('not among those of WEBHOOK_SECRET_KEY');
  expect(() => openThose(kept, [], 'ep_1')).toThrow('there is none');
});
