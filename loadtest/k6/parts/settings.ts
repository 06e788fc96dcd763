import { environmentName, SCENARIOS, type ScenarioName } from './scenarios.ts';

/** Where Claimline listens; several API processes are separated by commas and take turns. */
export const targets = (__ENV.TARGETS || 'http://127.0.0.1:3000').split(',');

/** What the calls of an operator need where Claimline runs with a key. */
export const operatorKey = __ENV.OPERATOR_KEY;

/**
 * The numbers of a scenario: from the environment, else of its small form where SMALL is set, else of its full
 * form. Throws when one is not a whole number from 1 on.
 */
export function readSettings<Name extends ScenarioName>(
  name: Name,
): Record<keyof (typeof SCENARIOS)[Name]['settings'] & string, number> {
  const form = __ENV.SMALL ? 'small' : 'full';
  const entries = Object.entries(SCENARIOS[name].settings).map(([key, setting]) => {
    const variable = environmentName(key);
    const value = Number(__ENV[variable] || setting[form]);
    if (!Number.isInteger(value) || value < 1)
      throw new Error(`${variable} must be a whole number from 1 on, and is ${__ENV[variable]}`);
    return [key, value];
  });
  return Object.fromEntries(entries);
}
