import { BlockList, isIP } from 'node:net';

/** What an operator opens for webhooks although it is private, or speaks http, or has an unusual port. */
export type AllowList = {
  /** Host names, as in an address. */
  hosts: ReadonlySet<string>;
  networks: BlockList;
};

/**
 * The value of WEBHOOK_ALLOW_HOSTS: host names, addresses and networks, separated by commas.
 * @throws Error that names the entry that is none of these
 */
export function parseAllowList(text: string): AllowList {
  const hosts = new Set<string>();
  const networks = new BlockList();
  for (const entry of text.split(',').map(part => part.trim().toLowerCase())) {
    if (entry === '') continue;
    if (isHostName(entry)) hosts.add(entry);
    else addNetwork(networks, entry);
  }
  if (networks.check('127.0.0.1')) hosts.add('localhost');
  return { hosts, networks };
}

function addNetwork(networks: BlockList, entry: string): void {
  const [address = '', bits, ...rest] = entry.replaceAll(/[[\]]/g, '').split('/');
  const family = isIP(address);
  const most = family === 4 ? 32 : 128;
  const prefix = bits === undefined ? most : /^\d{1,3}$/.test(bits) ? Number(bits) : Number.NaN;
  if (family === 0 || rest.length > 0 || !(prefix <= most))
    throw new Error(
      `must be hosts and networks: "${entry}" is neither a host name nor a network such as 10.0.0.0/8`,
    );
  networks.addSubnet(address, prefix, family === 4 ? 'ipv4' : 'ipv6');
}

/** The last label of a name has a letter: what has none would be read as an address. */
function isHostName(entry: string): boolean {
  return /^(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.)*[a-z](?:[a-z0-9-]*[a-z0-9])?$/.test(entry);
}
