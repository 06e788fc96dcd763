import { AppError, type FieldError } from '@claimline/kernel/error';
import { z } from 'zod';

/** What a field of the wrong JSON type is told; a body with one is not of the expected form at all. */
const WRONG_TYPE = 'has the wrong type';

export const fieldLimits = {
  textMost: 255,
  integerMost: 2_147_483_647,
  metadataText: 4096,
  timeLeast: Date.parse('0001-01-01T00:00:00Z'),
  timeMost: Date.parse('9999-12-31T23:59:59.999Z'),
} as const;

function typeOrMissing(issue: { input?: unknown }) {
  return issue.input === undefined || issue.input === null ? 'is required' : WRONG_TYPE;
}

/** A name or id: 1 to 255 characters, not blank, nothing that Postgres cannot store. */
export function requiredText() {
  return z
    .string({ error: typeOrMissing })
    .min(1, 'is required')
    .refine(text => text.length === 0 || text.trim() !== '', 'cannot be whitespace only')
    .refine(text => isWithin(text, fieldLimits.textMost), `exceeds maximum length of ${fieldLimits.textMost}`)
    .refine(isStorable, 'contains a character that cannot be stored')
    .meta({ maxLength: fieldLimits.textMost });
}

/** A required whole number from `min` to `max`. */
export function requiredInteger(min: number, max: number = fieldLimits.integerMost) {
  return z
    .number({ error: typeOrMissing })
    .refine(Number.isInteger, WRONG_TYPE)
    .min(min, `must be at least ${min}`)
    .max(max, `must be at most ${max}`)
    .meta({ type: 'integer' });
}

/** An ISO 8601 time with its offset from UTC, of the years that both Postgres and an ISO time can write. */
export function time() {
  return z.iso
    .datetime({ offset: true, error: 'must be an ISO 8601 time such as 2026-12-24T18:00:00Z' })
    .refine(isWithinYears, 'must be in the years 1 to 9999, in UTC');
}

function isWithinYears(text: string): boolean {
  const ms = Date.parse(text);
  // A text that is no time has been told so already.
  return Number.isNaN(ms) || (ms >= fieldLimits.timeLeast && ms <= fieldLimits.timeMost);
}

/** Whether a text is a step of a path and no name in it: every client resolves it away, so nothing called so could be addressed. */
export function isPathStep(text: string): boolean {
  return text === '.' || text === '..';
}

/** Any JSON object, for a caller's own notes; at most 4,096 characters as JSON. Its depth is the body's (body.ts). */
export function metadata() {
  return z.record(z.string(), z.unknown(), { error: typeOrMissing }).superRefine((value, context) => {
    const message = complaintAbout(value);
    if (message) context.addIssue({ code: 'custom', message });
  });
}

/** JSON.stringify writes what Postgres cannot store as an escape, and escapes a backslash that stands before. */
const UNSTORABLE_ESCAPE = /(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f][0-9a-f]{2})/;

function complaintAbout(value: Record<string, unknown>): string | null {
  const text = JSON.stringify(value);
  if (text.length > fieldLimits.metadataText) return `is larger than ${fieldLimits.metadataText} characters`;
  return UNSTORABLE_ESCAPE.test(text) ? 'contains a character that cannot be stored' : null;
}

/** Characters are counted as Postgres does, by code point. */
function isWithin(text: string, most: number): boolean {
  return text.length <= most || [...text].length <= most;
}

/** Postgres stores neither NUL nor half a surrogate pair. */
export function isStorable(text: string): boolean {
  return !text.includes('\0') && text.isWellFormed();
}

/** The value as the schema reads it, or a 400 that names every wrong field. */
export function parseFields<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const parsed = schema.safeParse(value, {
    error: issue => (issue.code === 'invalid_type' ? typeOrMissing(issue) : undefined),
  });
  if (parsed.success) return parsed.data;
  const errors = parsed.error.issues.flatMap(issue => fieldErrors(issue, schema));
  const first = errors[0] as FieldError;
  const isForeign = errors.some(error => error.path === '' || error.message === WRONG_TYPE);
  const message = isForeign ? 'invalid request body' : `invalid request: ${first.path} ${first.message}`;
  throw new AppError('invalid_request', message, { errors });
}

function fieldErrors(issue: z.core.$ZodIssue, schema: z.ZodType): FieldError[] {
  const path = issue.path.join('.');
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map(key => ({
      path: [...issue.path, key].join('.'),
      message: 'is not a field of this request',
    }));
  // Nothing is missing where a field may be left out: it was null.
  const isNull = issue.code === 'invalid_type' && issue.path.length > 0 && mayBeLeftOut(schema, issue.path);
  return [{ path, message: isNull ? WRONG_TYPE : issue.message }];
}

function mayBeLeftOut(schema: z.ZodType, path: PropertyKey[]): boolean {
  let field: z.ZodType | undefined = schema;
  for (const key of path) field = fieldsOf(field)?.[key as string];
  return field?.safeParse(undefined).success ?? false;
}

/** The fields of an object, also of one that may be null or left out. */
function fieldsOf(schema: z.ZodType | undefined): Record<string, z.ZodType | undefined> | undefined {
  if (schema instanceof z.ZodObject) return schema.shape;
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodNullable || schema instanceof z.ZodDefault)
    return fieldsOf(schema.unwrap() as z.ZodType);
  return undefined;
}
