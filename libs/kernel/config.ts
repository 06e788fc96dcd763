import { z } from 'zod';

/** A table of settings: environment variable name to the zod schema that reads its text. */
export type SettingsShape = Record<string, z.ZodType>;

/** Thrown when the environment is not a configuration; `message` names every bad variable, a line each. */
export class ConfigError extends Error {
  constructor(lines: string[]) {
    super(`The configuration is not valid:\n${lines.map(line => `  ${line}`).join('\n')}`);
    this.name = 'ConfigError';
  }
}

/** Names shorter than this are too easily near another program's variable (HOST, POST) to be called a typo. */
const TYPO_MIN_LENGTH = 8;

/**
 * Reads the settings from `env`. An empty text counts as not set. Unknown variables stop the
 * start where they are plainly meant for us: everything in `file` (the .env file), and names one slip
 * away from a setting. A name that only begins like ours is none: Kubernetes sets CLAIMLINE_SERVICE_HOST
 * and more in every container beside a Service called claimline.
 */
export function parseSettings<Shape extends SettingsShape>(
  shape: Shape,
  env: Record<string, string | undefined>,
  file: Record<string, string | undefined> = {},
): z.output<z.ZodObject<Shape>> {
  const known = Object.keys(shape);
  const given = { ...file, ...env };
  const values: Record<string, string> = {};
  for (const name of known) if (given[name]) values[name] = given[name];

  const lines = Object.keys(given)
    .filter(name => !known.includes(name))
    .flatMap(name => {
      const near =
        name.length >= TYPO_MIN_LENGTH ? known.find(other => isOneSlipAway(name, other)) : undefined;
      if (near) return [`${name}: no such setting; did you mean ${near}?`];
      return name in file ? [`${name}: no such setting`] : [];
    });

  const parsed = z.object(shape).safeParse(values);
  if (!parsed.success)
    lines.push(...parsed.error.issues.map(issue => `${issue.path.join('.')}: ${issue.message}`));
  if (lines.length > 0 || !parsed.success) throw new ConfigError(lines);
  return parsed.data;
}

/** True when one insertion, deletion, replacement or swap of neighbours turns `a` into `b`. */
function isOneSlipAway(a: string, b: string): boolean {
  if (a === b || Math.abs(a.length - b.length) > 1) return false;
  let start = 0;
  while (start < a.length && a[start] === b[start]) start++;
  const [restA, restB] = [a.slice(start), b.slice(start)];
  if (restA.slice(1) === restB.slice(1) || restA.slice(1) === restB || restA === restB.slice(1)) return true;
  return restA[0] === restB[1] && restA[1] === restB[0] && restA.slice(2) === restB.slice(2);
}

/** A whole number setting within bounds, with a default. */
export function wholeNumber({ min, max, fallback }: { min: number; max: number; fallback: number }) {
  const message = `must be a whole number from ${min} to ${max}`;
  return z
    .string()
    .regex(/^\d+$/, message)
    .transform(Number)
    .refine(value => value >= min && value <= max, message)
    .default(fallback);
}

/** A setting of `on` or `off`. */
export function onOff(fallback: boolean) {
  return z
    .enum(['on', 'off'], 'must be on or off')
    .transform(value => value === 'on')
    .default(fallback);
}

/** A setting that is a list of numbers of seconds from 0, decimals allowed, separated by commas. */
export function secondsList({ most, fallback }: { most: number; fallback: string }) {
  const message = `must be numbers of seconds from 0 to ${most}, separated by commas`;
  return z
    .string()
    .regex(/^\d+(?:\.\d+)?(?:\s*,\s*\d+(?:\.\d+)?)*$/, message)
    .transform(text => text.split(',').map(Number))
    .refine(list => list.every(seconds => seconds <= most), message)
    .prefault(fallback);
}
