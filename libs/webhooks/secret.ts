import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';

export const sealLimits = { keyBytes: 32, ivBytes: 12, tagBytes: 16, keyIdBytes: 4 } as const;

const CIPHER = 'aes-256-gcm';

/** Seals what must not stand in the database as it is, and opens it again. */
export type Seal = {
  /**
   * @param owner what the text belongs to: sealed text that is moved to another owner does not open
   * @returns base64 of: first bytes of the key's digest, iv, tag, ciphertext
   */
  seal(plain: Buffer, owner: string): string;
  /** @throws Error for another key, another owner, or a changed text */
  open(sealed: string, owner: string): Buffer;
  /** The same text under the newest key; itself when it is that already. Errors: those of `open`. */
  renew(sealed: string, owner: string): string;
};

/**
 * AES-256-GCM under the first of the keys; what was sealed under another of them opens too, so that keys
 * can be replaced.
 * @param keys 32 bytes each, the newest first
 */
export function createSeal(keys: [Buffer, ...Buffer[]]): Seal {
  const { ivBytes, tagBytes, keyIdBytes } = sealLimits;
  const byId = new Map(keys.map(key => [keyId(key), key]));
  const newest = Buffer.from(keyId(keys[0]), 'hex');
  const made: Seal = {
    seal(plain, owner) {
      const iv = randomBytes(ivBytes);
      const cipher = createCipheriv(CIPHER, keys[0], iv).setAAD(Buffer.from(owner));
      const ciphertext = Buffer.concat([cipher.update(plain), cipher.final()]);
      return Buffer.concat([newest, iv, cipher.getAuthTag(), ciphertext]).toString('base64');
    },
    open(sealed, owner) {
      const bytes = Buffer.from(sealed, 'base64');
      const id = bytes.toString('hex', 0, keyIdBytes);
      const key = byId.get(id);
      if (!key) throw new Error(`sealed with key ${id}, which is not among those of WEBHOOK_SECRET_KEY`);
      const iv = bytes.subarray(keyIdBytes, keyIdBytes + ivBytes);
      const tag = bytes.subarray(keyIdBytes + ivBytes, keyIdBytes + ivBytes + tagBytes);
      const decipher = createDecipheriv(CIPHER, key, iv, { authTagLength: tagBytes });
      decipher.setAAD(Buffer.from(owner)).setAuthTag(tag);
      const ciphertext = bytes.subarray(keyIdBytes + ivBytes + tagBytes);
      return Buffer.concat([decipher.update(ciphertext), decipher.final()]);
    },
    renew(sealed, owner) {
      const isNewest = Buffer.from(sealed, 'base64').subarray(0, keyIdBytes).equals(newest);
      return isNewest ? sealed : made.seal(made.open(sealed, owner), owner);
    },
  };
  return made;
}

/**
 * Opens those of the texts that open. The others are sealed with a key that was taken away: what is signed without
 * them still verifies for whoever knows one of the rest.
 * @throws Error what is wrong with the last of them, where none opens
 */
export function openThose(seal: Seal, sealed: string[], owner: string): Buffer[] {
  const opened: Buffer[] = [];
  let complaint = new Error('there is none');
  for (const text of sealed) {
    try {
      opened.push(seal.open(text, owner));
    } catch (error) {
      complaint = error as Error;
    }
  }
  if (opened.length === 0) throw complaint;
  return opened;
}

/** The text under the newest key, or as it is where none of the keys opens it. */
export function renewIfOpen(seal: Seal, sealed: string, owner: string): string {
  try {
    return seal.renew(sealed, owner);
  } catch {
    return sealed;
  }
}

/**
 * The value of WEBHOOK_SECRET_KEY: keys separated by commas, the newest first.
 * @throws Error that says what a key is; it does not repeat what was given
 */
export function parseSecretKeys(text: string): Buffer[] {
  return text
    .split(',')
    .map(part => part.trim())
    .filter(part => part !== '')
    .map(part => {
      const key = Buffer.from(part, /^[0-9a-f]{64}$/i.test(part) ? 'hex' : 'base64');
      if (/^[\w+/-]+=?$/.test(part) && key.length === sealLimits.keyBytes) return key;
      throw new Error(
        `must be ${sealLimits.keyBytes} random bytes as base64 or hex: openssl rand -base64 32`,
      );
    });
}

/** Says which key it was without saying anything of the key. */
function keyId(key: Buffer): string {
  return createHash('sha256').update(key).digest().toString('hex', 0, sealLimits.keyIdBytes);
}
