import { createHmac, createSecretKey, type KeyObject, randomFillSync, timingSafeEqual } from 'node:crypto';

/**
 * A ticket is `tkt_` and 52 characters of base64url: the coupon's identity (16 bytes), the time it
 * was issued (6 bytes, ms), 7 random bytes, and the first 10 bytes of an HMAC-SHA256 over these.
 * Nobody can make one up (80 bits), it says by itself which coupon it belongs to, and a ticket that
 * is genuine but known nowhere has lost its place (410) while a made-up one never existed (404).
 */
export type Tickets = {
  issue(couponId: string, createdAtMs: number): string;
  /** The facts in a genuine ticket, or null. */
  read(ticket: string): { couponId: string; createdAtMs: number } | null;
};

const PATTERN = /^tkt_[\w-]{52}$/;
const FACTS_BYTES = 29;
const RANDOM_BYTES = 7;
const MAC_BYTES = 10;
/** Random bytes are drawn for this many tickets at once: it is the call that costs, not the bytes. */
const DRAWN_AT_ONCE = 512;

/** @param key 32 secret bytes, the same in every process of an installation */
export function createTickets(key: Buffer): Tickets {
  const secret: KeyObject = createSecretKey(key);
  const drawn = Buffer.alloc(DRAWN_AT_ONCE * RANDOM_BYTES);
  let nextDrawn = drawn.length;

  function mac(facts: Buffer): Buffer {
    return createHmac('sha256', secret).update(facts).digest().subarray(0, MAC_BYTES);
  }

  return {
    issue(couponId, createdAtMs) {
      if (nextDrawn === drawn.length) {
        randomFillSync(drawn);
        nextDrawn = 0;
      }
      const bytes = Buffer.allocUnsafe(FACTS_BYTES + MAC_BYTES);
      bytes.write(couponId.replaceAll('-', ''), 0, 'hex');
      bytes.writeUIntBE(createdAtMs, 16, 6);
      drawn.copy(bytes, 22, nextDrawn, nextDrawn + RANDOM_BYTES);
      nextDrawn += RANDOM_BYTES;
      mac(bytes.subarray(0, FACTS_BYTES)).copy(bytes, FACTS_BYTES);
      return `tkt_${bytes.toString('base64url')}`;
    },
    read(ticket) {
      if (!PATTERN.test(ticket)) return null;
      const bytes = Buffer.from(ticket.slice(4), 'base64url');
      const facts = bytes.subarray(0, FACTS_BYTES);
      if (!timingSafeEqual(mac(facts), bytes.subarray(FACTS_BYTES))) return null;
      const hex = facts.toString('hex', 0, 16);
      const couponId = hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
      return { couponId, createdAtMs: facts.readUIntBE(16, 6) };
    },
  };
}

/** The id of the job whose first claim is this: the person and the attempt, so that BullMQ drops a repeated add. */
export function jobIdOf(userId: string, ticket: string): string {
  // Readable on the board, no colon, never digits only; the ticket's tail makes it this attempt's.
  return `${encodeURIComponent(userId.toWellFormed()).slice(0, 64)}.${ticket.slice(-27)}`;
}
