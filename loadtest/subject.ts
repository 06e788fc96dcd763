import type { Stack } from './stack.ts';

/** One thing that is measured: a service and the work it is given. */
export type Subject = {
  name: string;
  service: keyof Stack['urls'];
  /** What the table says it is. */
  title: string;
  /** Units of the coupon of each round; undefined where there are no coupons. */
  amount: number | undefined;
  acceptedStatus: number;
  expectedStatuses: number[];
  /** The figure that ratios are made of. */
  figure: 'answersPerSecond' | 'settledPerSecond';
};

const FLASH_AMOUNT = 1000;
const ENDLESS_AMOUNT = 2_000_000_000;

const ECHO: Subject = {
  name: 'echo',
  service: 'echo',
  title: 'echo: a bare route',
  amount: undefined,
  acceptedStatus: 202,
  expectedStatuses: [202],
  figure: 'answersPerSecond',
};

const ROWLOCK: Subject = {
  name: 'rowlock',
  service: 'rowlock',
  title: 'rowlock: every claim granted',
  amount: ENDLESS_AMOUNT,
  acceptedStatus: 200,
  expectedStatuses: [200],
  figure: 'answersPerSecond',
};

const ROWLOCK_FLASH: Subject = {
  ...ROWLOCK,
  name: 'rowlock-flash',
  title: 'rowlock: 1,000 units',
  amount: FLASH_AMOUNT,
  expectedStatuses: [200, 409],
};

const FLASH: Subject = {
  name: 'flash',
  service: 'claimline',
  title: 'T1 flash: 1,000 units',
  amount: FLASH_AMOUNT,
  acceptedStatus: 202,
  expectedStatuses: [202, 409],
  figure: 'answersPerSecond',
};

const GRANTED: Subject = {
  name: 'granted',
  service: 'claimline',
  title: 'T2 all granted',
  amount: ENDLESS_AMOUNT,
  acceptedStatus: 202,
  expectedStatuses: [202],
  figure: 'settledPerSecond',
};

const SUBJECTS = [ECHO, ROWLOCK, ROWLOCK_FLASH, FLASH, GRANTED];

export const DEFAULT_SUBJECTS = 'echo,rowlock,flash,granted';

/** The subjects of a comma-separated list, in its order; throws on a name that is none. */
export function parseSubjects(list: string): Subject[] {
  return list.split(',').map(name => {
    const subject = SUBJECTS.find(candidate => candidate.name === name);
    if (!subject) throw new Error(`no subject ${name}: ${SUBJECTS.map(known => known.name).join(', ')}`);
    return subject;
  });
}
