import { BlockList, isIP } from 'node:net';
import type { AllowList } from './allow-list.ts';

export const guardLimits = {
  urlLength: 2048,
  /** Below it are the ports of a system's own services; the one of https is the exception. */
  portLeast: 1024,
} as const;

/** Networks that are nobody's public server: private, local, reserved, for documentation, and ways around them. */
const blockedNetworks = [
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12'],
  ...['192.0.0.0/24', '192.0.2.0/24', '192.88.99.0/24', '192.168.0.0/16', '198.18.0.0/15', '198.51.100.0/24'],
  ...['203.0.113.0/24', '224.0.0.0/4', '240.0.0.0/4'],
  ...['::/96', '::ffff:0:0:0/96', '64:ff9b::/96', '64:ff9b:1::/48', '100::/64', '2001::/23', '2001:db8::/32'],
  ...['2002::/16', '3fff::/20', '5f00::/16', 'fc00::/7', 'fe80::/10', 'fec0::/10', 'ff00::/8'],
];

const blocked = new BlockList();
for (const network of blockedNetworks) {
  const [address = '', bits] = network.split('/');
  blocked.addSubnet(address, Number(bits), familyOf(address));
}

/**
 * What is wrong with an address that webhooks shall be sent to, as the end of a sentence that begins with
 * the field's name, or null. A host that is a name is judged again, by what it resolves to, whenever a
 * connection is made (lookup.ts). A host that is an address is judged here and only here, since nothing is
 * looked up then; the URL standard has made 2130706433, 0x7f.1 and 127.1 the address that they mean.
 */
export function complaintAboutUrl(text: string, allow: AllowList): string | null {
  const tooLong = `exceeds maximum length of ${guardLimits.urlLength}`;
  if (text.length > guardLimits.urlLength) return tooLong;
  if (!URL.canParse(text)) return 'must be an address such as https://shop.example/webhooks';
  const url = new URL(text);
  // As it is kept with a claim and sent, with escapes for what may not stand in it.
  if (url.href.length > guardLimits.urlLength) return tooLong;
  const { protocol, port } = url;
  const host = hostOf(url);
  if (url.username !== '' || url.password !== '') return 'must not have a user name or password in it';
  if (protocol !== 'https:' && protocol !== 'http:') return 'must begin with https://';
  if (isIP(host) !== 0 && !isAddressOpen(host, allow))
    return `must not lead to ${host}, which is a private or reserved address; an operator can open it by WEBHOOK_ALLOW_HOSTS`;
  const isUsual = protocol === 'https:' && (port === '' || Number(port) >= guardLimits.portLeast);
  if (isUsual || isListed(host, allow)) return null;
  return protocol === 'http:'
    ? 'must begin with https://; an operator can allow http to a host by WEBHOOK_ALLOW_HOSTS'
    : `must not have port ${port}: 443 and those from ${guardLimits.portLeast} are possible`;
}

/** Whether the operator names the host, or the network that it is an address of. */
function isListed(host: string, { hosts, networks }: AllowList): boolean {
  return isIP(host) === 0 ? hosts.has(host) : networks.check(host, familyOf(host));
}

/** The host of a URL as it is looked up or compared: without brackets and without the dot of the root. */
function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[(.*)\]$/, '$1').replace(/\.$/, '');
}

/** Whether a webhook may go to the address: it is a public one, or in a network that the operator names. */
export function isAddressOpen(address: string, allow: AllowList): boolean {
  return !blocked.check(address, familyOf(address)) || isListed(address, allow);
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 6 ? 'ipv6' : 'ipv4';
}
