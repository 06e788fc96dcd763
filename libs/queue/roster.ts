/** The kind of a lane, such as `claims`: its name up to the first dot. */
export const kindOf = (lane: string): string => lane.split('.', 1)[0] as string;

/** What is known of a lane: its label, whether somebody has it open, and whether it is wanted, as an open one is too. */
export type ListedLane = { lane: string; label: string; open: boolean; wanted: boolean };

/**
 * The roster of lanes: which are wanted, and which process has each one open. A lane opens when
 * somebody wants it and closes when it is quiet, so cost follows busy coupons. One process has a
 * lane at a time, by a lease; correctness does not rest on that (the row lock decides), speed does.
 *
 * Waking is not lossy: whoever adds a job says `want` first, and `leave` refuses when the lane was
 * wanted within the quiet time. Times are the store's own clock.
 */
export type Roster = {
  /** Records that the lane has work, and wakes a worker if nobody has it open. `label` is for people; an empty one keeps what is known. */
  want(lane: string, label: string): Promise<void>;
  /**
   * Leases wanted lanes that nobody has open to `owner`, those that wait longest first: of each kind up to `most`,
   * less what the owner has open of it already.
   */
  take(owner: string, leaseMs: number, most: number, open?: ReadonlyMap<string, number>): Promise<string[]>;
  /** Extends the owner's leases; returns the lanes it no longer has. */
  renew(owner: string, leaseMs: number, lanes: string[]): Promise<string[]>;
  /** Closes a lane that nobody wanted for `quietMs`; false when somebody did: keep it open. */
  leave(owner: string, lane: string, quietMs: number): Promise<boolean>;
  /** Gives open lanes up at once, still wanted, so that another process takes them over. */
  handOver(owner: string, lanes: string[]): Promise<void>;
  /** Lanes that were wanted lately, newest first. */
  list(limit: number): Promise<ListedLane[]>;
  /** These lanes in their order, also those that nobody wanted lately. */
  look(lanes: string[]): Promise<ListedLane[]>;
  /** Calls `wake` when a lane is wanted that nobody has open, on Redis with its name. May miss some: sweep as well. */
  onWanted(wake: (lane?: string) => void): Promise<void>;
};
