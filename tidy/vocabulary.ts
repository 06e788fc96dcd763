/** Words that nobody should meet here, with what to write instead. */
export const banned: { pattern: RegExp; instead: string }[] = [
  { pattern: /\butils\b|\bhelpers\b/i, instead: 'a verb or a noun that says what is in there' },
  { pattern: /\bmanagers?\b|[a-z]Manager\b/, instead: 'what it does' },
  { pattern: /cancell(?:ed|ing)/i, instead: 'canceled, canceling' },
  { pattern: /voucher|promo ?code/i, instead: 'coupon, or code' },
  { pattern: /\bcode pools?\b|\bcode batch/i, instead: 'book of codes' },
  { pattern: /\binventory\b/i, instead: 'stock' },
  { pattern: /\b(?:customer|shopper|buyer)s?\b/i, instead: 'person, or user' },
  { pattern: /\bshard(?:s|ed|ing)?\b/i, instead: 'lane' },
  { pattern: /\b(?:gatekeeper|bouncer|turnstile)s?\b/i, instead: 'gate' },
  { pattern: /\bclaim (?:token|handle|receipt)s?\b/i, instead: 'ticket' },
  {
    pattern:
      /\b(?:rejected|denied|declined) (?:claim|ticket|person)|\bclaims? (?:is|are|was|were) (?:rejected|denied|declined)\b/i,
    instead: 'refused',
  },
  {
    pattern:
      /\b(?:awarded|accepted|approved) claims?\b|\bclaims? (?:is|are|was|were) (?:awarded|approved)\b/i,
    instead: 'granted; or admitted, by the gate',
  },
  { pattern: /blacklist|whitelist/i, instead: 'block list, allow list' },
  { pattern: /\b(?:TODO|FIXME|HACK)\b/, instead: 'the work itself, or an issue' },
];

/** Names of files and folders that say nothing about what is in them. */
export const emptyNames = /^(?:utils?|helpers?|common|managers?|misc|stuff|shared|lib)$/;

/** Folders of somebody's machine. */
export const machinePath = /(?:^|[^\w.@/-])\/(?:home|root|Users|work|mnt|tmp)\/[\w.-]|[A-Z]:\\\\?Users/;

/** Hosts of package registries; which one is used is each machine's own business. */
export const registryHost = /\bregistry\.[a-z-]+\.[a-z]+|npmmirror\.|\/\/npm\.pkg\./;
