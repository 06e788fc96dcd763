import { lookup as lookUpBySystem, type Resolver } from 'node:dns/promises';
import type { LookupFunction } from 'node:net';
import { pause } from '@claimline/kernel/backoff';
import type { AllowList } from './allow-list.ts';
import { isAddressOpen } from './guard.ts';

export const lookupLimits = {
  /** A name server that says nothing is asked twice within the time that a connection has. */
  tryMs: 1000,
  tries: 2,
  /** How much longer IPv6 may take than IPv4: some name servers never answer for it (RFC 8305). */
  secondFamilyMs: 50,
} as const;

/** The code of an error: every address of the name is one that webhooks must not go to. */
export const BLOCKED = 'EBLOCKED';

type Address = { address: string; family: number };

/**
 * How a name becomes the addresses that a connection may be made to. It is the connection's own lookup, so
 * there is no second one that could come to another answer. Names are asked of the name servers directly:
 * the system's lookup would hold one of four threads of this process for as long as a dead server takes,
 * for all endpoints together. Hosts that the operator names may be in the hosts file, and are not filtered.
 */
export function createLookup(allow: AllowList, resolver: Resolver): LookupFunction {
  async function find(name: string): Promise<Address[]> {
    const host = name.replace(/\.$/, '').toLowerCase();
    if (allow.hosts.has(host)) return lookUpBySystem(host, { all: true });
    const found = await resolve(resolver, host);
    const open = found.filter(({ address }) => isAddressOpen(address, allow));
    if (open.length > 0) return open;
    throw Object.assign(new Error(`${host} leads to no address that is open`), { code: BLOCKED });
  }
  return (name, { all }, callback) => {
    find(name).then(
      found => {
        const first = found[0] as Address;
        if (all) callback(null, found);
        else callback(null, first.address, first.family);
      },
      error => callback(error, ''),
    );
  };
}

/** IPv4 and IPv6 addresses together. Throws the IPv4 error when there is neither. */
async function resolve(resolver: Resolver, host: string): Promise<Address[]> {
  const toAddresses = (family: 4 | 6) => (found: string[]) => found.map(address => ({ address, family }));
  const none: Address[] = [];
  const v6 = resolver.resolve6(host).then(toAddresses(6), () => none);
  const v4 = await resolver.resolve4(host).then(toAddresses(4), async error => {
    if ((await v6).length === 0) throw error;
    return none;
  });
  const late = pause(lookupLimits.secondFamilyMs).then(() => none);
  return [...v4, ...(v4.length > 0 ? await Promise.race([v6, late]) : await v6)];
}
