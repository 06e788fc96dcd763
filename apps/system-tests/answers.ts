/** A claim as the API shows it within a ticket, or in a list of claims. */
export interface SeenClaim {
  claim_id?: string;
  sequence?: number;
  user_id?: string;
  coupon_name?: string;
  ticket?: string;
  code?: string;
  granted_at?: string;
}

/** The fields that the tests read from a JSON answer; a field of a wrong type is for the tests to find. */
export interface Body {
  [field: string]: unknown;
  amount?: number;
  remaining_amount?: number;
  claimed_by?: string[];
  claimed_count?: number;
  code?: string;
  error?: string;
  errors?: { path: unknown; message: string }[];
  ticket?: string;
  reason?: string;
  deduplicated?: boolean;
  position?: number;
  ahead?: number;
  eta?: { known: boolean; seconds?: number };
  claim?: SeenClaim;
  data?: Body[];
  next_cursor?: string | null;
}

/** One answer that a client got. */
export interface Answer {
  method: string;
  path: string;
  /** The base address that answered. */
  api: string;
  /** What the client sent as JSON, if it did. */
  sent: unknown;
  status: number;
  headers: Headers;
  body: Body;
  text: string;
  /** How often the connection broke before this answer came. */
  resets: number;
  /** From the first try to the answer. */
  tookMs: number;
}

/** Parses what may or may not be JSON. */
export function parseBody(text: string): Body {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'object' && parsed !== null ? (parsed as Body) : {};
  } catch {
    return {};
  }
}

/** Counts answers by status, such as `{ 200: 5, 400: 45 }`. */
export function byStatus(answers: readonly Answer[]): Record<number, number> {
  const counts: Record<number, number> = {};
  for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}

/** The people whom these answers, each to a claim, concern. */
export function whoSent(answers: readonly Answer[]): string[] {
  return answers.map(answer => (answer.sent as { user_id: string }).user_id);
}
