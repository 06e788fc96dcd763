import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { lookupLimits } from './lookup.ts';

const header = { bytes: 12, isAnswer: 0x8180, notFound: 0x8183 } as const;
const typeA = 1;

/** A name server on this machine, and a resolver that asks it. */
export type NameServer = { resolver: Resolver; asked: string[]; close(): Promise<void> };

/**
 * Starts a name server whose IPv4 answers `answer` decides, at every question anew; no name has an IPv6 address.
 * @param answer the addresses of a name, or null for a name that does not exist
 */
export async function startNameServer(answer: (name: string) => string[] | null): Promise<NameServer> {
  const asked: string[] = [];
  const socket = createSocket('udp4');
  socket.on('message', (question, from) => {
    const { name, type, end } = readQuestion(question);
    if (type === typeA) asked.push(name);
    const addresses = type === typeA ? answer(name) : [];
    const found = addresses ?? [];
    const head = Buffer.alloc(header.bytes);
    question.copy(head, 0, 0, 2);
    head.writeUInt16BE(addresses ? header.isAnswer : header.notFound, 2);
    head.writeUInt16BE(1, 4);
    head.writeUInt16BE(found.length, 6);
    const reply = Buffer.concat([head, question.subarray(header.bytes, end), ...found.map(toRecord)]);
    socket.send(reply, from.port, from.address);
  });
  await new Promise<void>(resolve => socket.bind(0, '127.0.0.1', resolve));
  const resolver = new Resolver({ timeout: lookupLimits.tryMs, tries: lookupLimits.tries });
  resolver.setServers([`127.0.0.1:${socket.address().port}`]);
  return { resolver, asked, close: () => new Promise(resolve => socket.close(() => resolve())) };
}

function readQuestion(message: Buffer): { name: string; type: number; end: number } {
  const labels: string[] = [];
  let at: number = header.bytes;
  for (let length = message[at] ?? 0; length > 0; length = message[at] ?? 0) {
    labels.push(message.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.').toLowerCase(), type: message.readUInt16BE(at + 1), end: at + 5 };
}

/** An A record of the name in the question, without any time to live. */
function toRecord(address: string): Buffer {
  const fixed = Buffer.from([0xc0, header.bytes, 0, typeA, 0, 1, 0, 0, 0, 0, 0, 4]);
  return Buffer.concat([fixed, Buffer.from(address.split('.').map(Number))]);
}
