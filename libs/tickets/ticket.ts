import {
  createCipheriv,
  createHmac,
  createSecretKey,
  type KeyObject,
  randomFillSync,
  timingSafeEqual,
} from 'node:crypto';

/**
 * A ticket is `tkt_` and 52 characters of base64url: the identity of what it is for, such as a coupon (16 bytes), the time it
 * was issued (6 bytes, ms), 7 random bytes, and the first 10 bytes of a MAC over these. Nobody can
 * make one up (80 bits), it says by itself what it is for, and a ticket that is genuine
 * but known nowhere has lost its place (410) while a made-up one never existed (404).
 *
 * The MAC is AES-256-CBC-MAC (ISO/IEC 9797-1, algorithm 1) over two blocks, always two: for messages
 * of one length it is as good as the cipher (Bellare, Kilian, Rogaway 1994). The first block is the
 * subject's, so the second blocks of a whole train go through the cipher in one call. Measured: 0.6 us
 * a ticket in trains of 64, where an HMAC for each made it 4.8 us, 5 % of what an API process does for a claim.
 */
export type Tickets = {
  /** As many tickets as asked for, each another one. */
  issue(subjectId: string, createdAtMs: number, count: number): string[];
  /** The facts in a genuine ticket, or null. */
  read(ticket: string): { subjectId: string; createdAtMs: number } | null;
};

const PATTERN = /^tkt_[\w-]{52}$/;
/** The letters in front are base64url of these bytes, so a whole ticket is written by one call. */
const PREFIX = Buffer.from('tkt_', 'base64url');
const BLOCK_BYTES = 16;
const TIME_BYTES = 6;
const RANDOM_BYTES = 7;
const MAC_BYTES = 10;
/** Where the parts begin in a ticket's bytes. */
const SUBJECT_AT = PREFIX.length;
const TIME_AT = SUBJECT_AT + BLOCK_BYTES;
const MAC_AT = TIME_AT + TIME_BYTES + RANDOM_BYTES;
const TICKET_BYTES = MAC_AT + MAC_BYTES;
const NO_IV = Buffer.alloc(BLOCK_BYTES);

/**
 * @param key 32 secret bytes, the same in every process of an installation. Tickets of another kind have
 *   another key (see ticketKeyOf), so one kind is never taken for another.
 */
export function createTickets(key: Buffer): Tickets {
  const secret: KeyObject = createSecretKey(key);
  const one = Buffer.alloc(TICKET_BYTES);
  PREFIX.copy(one);
  /** The subject whose block is in `one`, and that block encrypted: trains of one subject follow each other. */
  let subjectInOne = '';
  let chain: Buffer = NO_IV;

  function encrypt(blocks: Buffer): Buffer {
    return createCipheriv('aes-256-ecb', secret, null).setAutoPadding(false).update(blocks);
  }

  function turnTo(subjectId: string) {
    if (subjectId === subjectInOne) return;
    one.write(subjectId.replaceAll('-', ''), SUBJECT_AT, 'hex');
    chain = encrypt(one.subarray(SUBJECT_AT, TIME_AT));
    subjectInOne = subjectId;
  }

  return {
    issue(subjectId, createdAtMs, count) {
      turnTo(subjectId);
      one.writeUIntBE(createdAtMs, TIME_AT, TIME_BYTES);
      const blocks = randomFillSync(Buffer.allocUnsafe(count * BLOCK_BYTES));
      const chained = Buffer.allocUnsafe(blocks.length);
      for (let at = 0; at < blocks.length; at += BLOCK_BYTES) {
        one.copy(blocks, at, TIME_AT, TIME_AT + TIME_BYTES);
        blocks.fill(0, at + TIME_BYTES + RANDOM_BYTES, at + BLOCK_BYTES);
        for (let i = 0; i < BLOCK_BYTES; i++)
          chained[at + i] = (blocks[at + i] as number) ^ (chain[i] as number);
      }
      const macs = encrypt(chained);
      return Array.from({ length: count }, (_, index) => {
        const at = index * BLOCK_BYTES;
        blocks.copy(one, TIME_AT, at, at + TIME_BYTES + RANDOM_BYTES);
        macs.copy(one, MAC_AT, at, at + MAC_BYTES);
        return one.toString('base64url');
      });
    },
    read(ticket) {
      if (!PATTERN.test(ticket)) return null;
      const bytes = Buffer.from(ticket, 'base64url');
      const message = Buffer.alloc(2 * BLOCK_BYTES);
      bytes.copy(message, 0, SUBJECT_AT, MAC_AT);
      const mac = createCipheriv('aes-256-cbc', secret, NO_IV).update(message).subarray(BLOCK_BYTES);
      if (!timingSafeEqual(mac.subarray(0, MAC_BYTES), bytes.subarray(MAC_AT))) return null;
      const hex = bytes.toString('hex', SUBJECT_AT, TIME_AT);
      const subjectId = hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
      return { subjectId, createdAtMs: bytes.readUIntBE(TIME_AT, TIME_BYTES) };
    },
  };
}

/** The key of a kind of tickets, from the installation's. */
export function ticketKeyOf(kind: string, key: Buffer): Buffer {
  return createHmac('sha256', key).update(kind).digest();
}

/**
 * The id of the job whose first claim is this: the person and the attempt, so that BullMQ drops a repeated
 * add. Another run with the same ticket is another attempt: others may travel in its job.
 */
export function jobIdOf(userId: string, ticket: string, run = 1): string {
  // Readable on the board, no colon, never digits only; the ticket's tail makes it this attempt's.
  const id = `${encodeURIComponent(userId.toWellFormed()).slice(0, 64)}.${ticket.slice(-27)}`;
  return run === 1 ? id : `${id}.${run}`;
}
