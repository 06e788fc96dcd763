import { fieldLimits, requiredInteger } from '@claimline/http/fields';
import { AppError } from '@claimline/kernel/error';
import { z } from 'zod';
import { codeLimits, isCodeText } from './code.ts';

export const recipeLimits = {
  quantityMost: 1_000_000,
  prefixMost: 10,
  lengthLeast: 6,
  lengthMost: 20,
  lengthUsual: 10,
  /** Codes may fill at most one in this many of those a recipe can make, so that drawing them comes to an end. */
  spaceLeast: 2,
} as const;

/** Without those that people take for another: 0 and O, 1, I and L. */
const ALPHABET = '23456789ABCDEFGHJKMNPQRSTUVWXYZ';

/** How codes are made: for each character those it may be. */
export type Recipe = string[];

/** Fields of a request to generate codes. */
export const recipeFields = {
  quantity: requiredInteger(1, recipeLimits.quantityMost),
  prefix: z
    .string()
    .max(recipeLimits.prefixMost, `exceeds maximum length of ${recipeLimits.prefixMost}`)
    .refine(prefix => prefix === '' || isCodeText(prefix), 'must be printable ASCII without spaces')
    .optional(),
  length: requiredInteger(recipeLimits.lengthLeast, recipeLimits.lengthMost)
    .optional()
    .describe(`Random characters after the prefix; ${recipeLimits.lengthUsual} when left out.`),
  alphabet: z
    .string()
    .regex(/^[A-Za-z0-9]*$/, 'must consist of letters and digits')
    .max(fieldLimits.textMost, `exceeds maximum length of ${fieldLimits.textMost}`)
    .optional()
    .describe('What random characters are drawn from. Without 0, O, 1, I and L when left out.'),
  pattern: z
    .string()
    .max(codeLimits.lengthMost, `exceeds maximum length of ${codeLimits.lengthMost}`)
    .refine(isCodeText, 'must be printable ASCII without spaces')
    .optional()
    .describe('Such as `SUMMER-####-????`: # is a digit, ? a letter, * either; the rest stands as it is.'),
};

type Wish = {
  quantity: number;
  prefix?: string | undefined;
  length?: number | undefined;
  alphabet?: string | undefined;
  pattern?: string | undefined;
};

/**
 * The recipe of a request. Error: `invalid_request` naming the field, also when it could not make twice as
 * many codes as are asked for.
 */
export function toRecipe(wish: Wish): Recipe {
  const { quantity, prefix, length, pattern } = wish;
  const alphabet = (wish.alphabet ?? ALPHABET).toUpperCase();
  if (new Set(alphabet).size !== alphabet.length) throw refuse('alphabet', 'has a character twice');
  if (alphabet.length < 2) throw refuse('alphabet', 'must have at least 2 characters');
  if (pattern !== undefined && (prefix !== undefined || length !== undefined))
    throw refuse('pattern', 'says it all: prefix and length cannot be given with it');
  const recipe =
    pattern === undefined ? byLength(wish, alphabet) : byPattern(pattern.toUpperCase(), alphabet);
  const space = recipe.reduce((product, characters) => product * characters.length, 1);
  if (space < quantity * recipeLimits.spaceLeast) {
    const most = Math.floor(space / recipeLimits.spaceLeast);
    const field = pattern === undefined ? 'length' : 'pattern';
    throw refuse(
      field,
      `makes ${space} different codes, which is enough for ${most} and not for ${quantity}`,
    );
  }
  return recipe;
}

function byLength({ prefix = '', length = recipeLimits.lengthUsual }: Wish, alphabet: string): Recipe {
  return [...prefix.toUpperCase(), ...new Array<string>(length).fill(alphabet)];
}

function byPattern(pattern: string, alphabet: string): Recipe {
  const sets: Record<string, string> = {
    '#': alphabet.replaceAll(/\D/g, ''),
    '?': alphabet.replaceAll(/\d/g, ''),
    '*': alphabet,
  };
  const recipe = [...pattern].map(character => sets[character] ?? character);
  if (recipe.includes('')) throw refuse('alphabet', 'has nothing for a place of the pattern');
  return recipe;
}

function refuse(path: string, message: string): AppError {
  return new AppError('invalid_request', `invalid request: ${path} ${message}`, {
    errors: [{ path, message }],
  });
}
