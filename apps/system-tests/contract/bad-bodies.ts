/** What it is called, what is sent, the message it is refused with, the fields that `errors` names. */
export type BadBody = [about: string, sent: unknown, message: string | RegExp, fields: string[]];

/** The longest name or person. */
export const longest = 'x'.repeat(255);
/** What a body that cannot be read is told. */
export const invalidBody = 'invalid request body';
/** For what the contract refuses without fixing the sentence. */
const anyInvalid = /^invalid request/;

/** Bodies of POST /api/coupons that are refused: what is sent, the message, the fields that `errors` names. */
export const badCoupons: BadBody[] = [
  ['nothing', {}, 'invalid request: name is required', ['name', 'amount']],
  ['no name', { amount: 5 }, 'invalid request: name is required', ['name']],
  ['an empty name', { name: '', amount: 5 }, 'invalid request: name is required', ['name']],
  ['a null name', { name: null, amount: 5 }, anyInvalid, []],
  [
    'a blank name',
    { name: ' \t\n ', amount: 5 },
    'invalid request: name cannot be whitespace only',
    ['name'],
  ],
  [
    'a name of 256',
    { name: `${longest}x`, amount: 5 },
    'invalid request: name exceeds maximum length of 255',
    ['name'],
  ],
  ['a number as name', { name: 5, amount: 5 }, invalidBody, []],
  ['a list as name', { name: ['a'], amount: 5 }, invalidBody, []],
  ['an object as name', { name: {}, amount: 5 }, invalidBody, []],
  ['no amount', { name: 'n' }, 'invalid request: amount is required', ['amount']],
  ['a null amount', { name: 'n', amount: null }, anyInvalid, []],
  ['amount 0', { name: 'n', amount: 0 }, 'invalid request: amount must be at least 1', ['amount']],
  ['amount -1', { name: 'n', amount: -1 }, 'invalid request: amount must be at least 1', ['amount']],
  ['amount 1.5', { name: 'n', amount: 1.5 }, anyInvalid, []],
  ['amount "5"', { name: 'n', amount: '5' }, invalidBody, []],
  ['amount true', { name: 'n', amount: true }, invalidBody, []],
  ['amount 2147483648', { name: 'n', amount: 2_147_483_648 }, anyInvalid, []],
  ['amount 1e308', { name: 'n', amount: 1e308 }, anyInvalid, []],
  ['an unknown field', { name: 'n', amount: 5, remaining_amount: 9 }, anyInvalid, []],
  ['a bad starts_at', { name: 'n', amount: 5, starts_at: 'tomorrow' }, anyInvalid, ['starts_at']],
  ['a number as ends_at', { name: 'n', amount: 5, ends_at: 5 }, anyInvalid, []],
  [
    'a window that ends before it starts',
    { name: 'n', amount: 5, starts_at: '2030-01-02T00:00:00Z', ends_at: '2030-01-01T00:00:00Z' },
    anyInvalid,
    ['ends_at'],
  ],
  ['per_user_limit 0', { name: 'n', amount: 5, per_user_limit: 0 }, anyInvalid, ['per_user_limit']],
  ['per_user_limit 1.5', { name: 'n', amount: 5, per_user_limit: 1.5 }, anyInvalid, []],
  ['a string as per_user_limit', { name: 'n', amount: 5, per_user_limit: '2' }, anyInvalid, []],
  ['a string as metadata', { name: 'n', amount: 5, metadata: 'm' }, anyInvalid, []],
];

/** Bodies of POST /api/coupons/claim that are refused. */
export const badClaims: BadBody[] = [
  ['nothing', {}, 'invalid request: user_id is required', ['user_id', 'coupon_name']],
  ['no user', { coupon_name: 'n' }, 'invalid request: user_id is required', ['user_id']],
  ['an empty user', { user_id: '', coupon_name: 'n' }, 'invalid request: user_id is required', ['user_id']],
  ['a null user', { user_id: null, coupon_name: 'n' }, anyInvalid, []],
  [
    'a blank user',
    { user_id: '   ', coupon_name: 'n' },
    'invalid request: user_id cannot be whitespace only',
    ['user_id'],
  ],
  [
    'a user of 256',
    { user_id: `${longest}x`, coupon_name: 'n' },
    'invalid request: user_id exceeds maximum length of 255',
    ['user_id'],
  ],
  ['a number as user', { user_id: 7, coupon_name: 'n' }, invalidBody, []],
  ['a list as user', { user_id: [], coupon_name: 'n' }, invalidBody, []],
  ['no coupon', { user_id: 'u' }, 'invalid request: coupon_name is required', ['coupon_name']],
  [
    'an empty coupon',
    { user_id: 'u', coupon_name: '' },
    'invalid request: coupon_name is required',
    ['coupon_name'],
  ],
  ['a null coupon', { user_id: 'u', coupon_name: null }, anyInvalid, []],
  [
    'a blank coupon',
    { user_id: 'u', coupon_name: ' ' },
    'invalid request: coupon_name cannot be whitespace only',
    ['coupon_name'],
  ],
  [
    'a coupon of 256',
    { user_id: 'u', coupon_name: `${longest}x` },
    'invalid request: coupon_name exceeds maximum length of 255',
    ['coupon_name'],
  ],
  ['a boolean as coupon', { user_id: 'u', coupon_name: true }, invalidBody, []],
  ['an unknown field', { user_id: 'u', coupon_name: 'n', amount: 2 }, anyInvalid, []],
];

/** Bodies that are no JSON object, for every POST. */
export const noObject = [
  '',
  ' ',
  '{',
  '{"name":',
  'name=x',
  '[]',
  '"x"',
  'null',
  '5',
  'true',
  '{"a":1}}',
  '\u0000',
  '{"user_id":"\\u00"}',
];
