/**
 * Codes after which the same statement may well succeed: the connection was lost or refused (also
 * when it is not known whether the statement took effect), Postgres is starting, stopping or out of
 * resources, it did not answer within the statement's time, it only reads, as one does that is no primary any more, or a
 * lock or a serialization went against us.
 */
const transientCodes = new Set([
  ...['CONNECTION_CLOSED', 'CONNECTION_ENDED', 'CONNECTION_DESTROYED', 'CONNECT_TIMEOUT'],
  ...['ECONNREFUSED', 'ECONNRESET', 'ECONNABORTED', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH'],
  ...['ENOTFOUND', 'EAI_AGAIN'],
  ...['57014', '57P01', '57P02', '57P03', '40001', '40P01', '55P03', '25006'],
]);

/** Whole classes of SQLSTATE: connection exceptions, and insufficient resources. */
const transientClasses = ['08', '53'];

/** True when trying again later is the right answer to this error of a query. */
export function isTransient(error: unknown): boolean {
  const code = codeOf(error);
  if (code === undefined) return false;
  return transientCodes.has(code) || (isSqlState(code) && transientClasses.includes(code.slice(0, 2)));
}

/** True where a statement took longer than its session lets one take, or somebody canceled it. */
export function isStatementTimeout(error: unknown): boolean {
  return codeOf(error) === '57014';
}

/** True for a violated unique constraint or primary key; of that name, when one is given. */
export function isUniqueViolation(error: unknown, constraint?: string): boolean {
  if (codeOf(error) !== '23505') return false;
  return constraint === undefined || (error as { constraint_name?: string }).constraint_name === constraint;
}

/** True for a violated check constraint of that name. */
export function isCheckViolation(error: unknown, constraint: string): boolean {
  return codeOf(error) === '23514' && (error as { constraint_name?: string }).constraint_name === constraint;
}

function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
}

function isSqlState(code: string): boolean {
  return /^[0-9A-Z]{5}$/.test(code);
}
