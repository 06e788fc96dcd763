/** One thing that is measured: a service and the work it is given. */
export type Subject = {
  name: string;
  /** A key of `Stack.urls`, or the file of a baseline that brings its own load. */
  service: string;
  /** What the table says it is. */
  title: string;
  /** Units of each coupon of a round; undefined where there are no coupons. */
  amount: number | undefined;
  /** Claims are spread evenly over so many coupons. */
  coupons: number;
  /** How a claim is asked for: its own path, or the simple form that waits for the outcome. */
  form: 'claims' | 'simple';
  /** Requests of the same person that are sent at once. */
  burst: number;
  acceptedStatus: number;
  expectedStatuses: number[];
  /** The figure that ratios are made of. */
  figure: 'answersPerSecond' | 'settledPerSecond';
};

const FLASH_AMOUNT = 1000;
const ENDLESS_AMOUNT = 2_000_000_000;

export const ECHO: Subject = {
  name: 'echo',
  service: 'echo',
  title: 'echo: a bare route',
  amount: undefined,
  coupons: 1,
  form: 'claims',
  burst: 1,
  acceptedStatus: 202,
  expectedStatuses: [202],
  figure: 'answersPerSecond',
};

export const ROWLOCK: Subject = {
  ...ECHO,
  name: 'rowlock',
  service: 'rowlock',
  title: 'rowlock: every claim granted',
  amount: ENDLESS_AMOUNT,
  acceptedStatus: 200,
  expectedStatuses: [200],
};

export const ROWLOCK_FLASH: Subject = {
  ...ROWLOCK,
  name: 'rowlock-flash',
  title: 'rowlock: 1,000 units',
  amount: FLASH_AMOUNT,
  expectedStatuses: [200, 409],
};

export const FLASH: Subject = {
  ...ECHO,
  name: 'flash',
  service: 'claimline',
  title: 'T1 flash: 1,000 units',
  amount: FLASH_AMOUNT,
  expectedStatuses: [202, 409],
};

export const GRANTED: Subject = {
  ...ECHO,
  name: 'granted',
  service: 'claimline',
  title: 'T2 all granted',
  amount: ENDLESS_AMOUNT,
  figure: 'settledPerSecond',
};

/** Every claim granted, over many coupons at once: nobody has company on the way. */
export const BUSY: Subject = {
  ...GRANTED,
  name: 'busy',
  title: 'T6 1,000 busy coupons',
  coupons: 1000,
};

/** Lanes that a worker needs for the busy coupons and those that were busy a moment before. */
export const BUSY_LANES = { LANES_PER_WORKER: '3000' };

/** The same person ten times at once, by the form that answers with the outcome: one 200 each. */
export const DUPLICATES: Subject = {
  ...GRANTED,
  name: 'duplicates',
  title: 'T10 duplicate storm',
  form: 'simple',
  burst: 10,
  acceptedStatus: 200,
  expectedStatuses: [200, 409],
  figure: 'answersPerSecond',
};

const BASELINE: Subject = { ...ECHO, figure: 'settledPerSecond' };

export const BULLMQ: Subject = {
  ...BASELINE,
  name: 'bullmq',
  service: 'bullmq',
  title: 'bullmq: add, and a worker that does nothing',
};

export const BULK: Subject = {
  ...BASELINE,
  name: 'bulk',
  service: 'bulk',
  title: 'bulk: the settle statement, 500 claims each',
};

const SUBJECTS = [ECHO, ROWLOCK, ROWLOCK_FLASH, FLASH, GRANTED, BUSY, DUPLICATES];

export const DEFAULT_SUBJECTS = 'echo,rowlock,flash,granted';

/** The subjects of a comma-separated list, in its order; throws on a name that is none. */
export function parseSubjects(list: string): Subject[] {
  return list.split(',').map(name => {
    const subject = SUBJECTS.find(candidate => candidate.name === name);
    if (!subject) throw new Error(`no subject ${name}: ${SUBJECTS.map(known => known.name).join(', ')}`);
    return subject;
  });
}
