/** A coupon's row, as far as settle looks at it; see db/migrations 0001 and 0014. */
export type Coupon = {
  id: string;
  name: string;
  amount: number;
  remaining: number;
  granted: number;
  claimed: number;
  limit: number;
  status: 'active' | 'paused' | 'ended';
  startsAtMs: number | null;
  endsAtMs: number | null;
  revision: number;
  epoch: number;
  claimsEpoch: number;
};
export type Claim = {
  id: number;
  userId: string;
  couponName: string;
  ordinal: number;
  sequence: number;
  ticket: string;
  atMs: number;
};
export type Refusal = {
  ticket: string;
  couponId: string;
  couponName: string;
  userId: string;
  reason: string;
  atMs: number;
};

/** What a statement sees: rows are never changed in place, so the lists of an instant are a snapshot. */
export type Rows = {
  readonly coupons: ReadonlyMap<string, Readonly<Coupon>>;
  readonly claims: readonly Readonly<Claim>[];
  readonly refusals: ReadonlyMap<string, Readonly<Refusal>>;
};

/** What one statement writes, all of it or nothing. */
export type Writes = {
  coupon?: Coupon;
  claims?: Omit<Claim, 'id'>[];
  refusals?: Refusal[];
  notifications?: { channel: string; payload: string }[];
};

export type Watch = {
  /** After a commit. */
  committed(granted: Claim[]): void;
  notify(channel: string, payload: string): void;
};

/** A model of the tables, their constraints and their triggers, by the coupon's name. */
export function createTables(clockMs: () => number, watch: Watch) {
  let rows: Rows = { coupons: new Map(), claims: [], refusals: new Map() };
  let lastId = 0;
  /** By a coupon's name, the last of those who have its row's lock or wait for it. */
  const locks = new Map<string, Promise<unknown>>();

  /** Runs `work` when the coupon's row is free, and keeps its lock meanwhile: those who wait come one after the other. */
  function locked<T>(name: string, work: () => T | Promise<T>): Promise<T> {
    const done = (locks.get(name) ?? Promise.resolve()).then(work);
    const last = done.then(
      () => {},
      () => {},
    );
    locks.set(name, last);
    return done;
  }

  const announce = (name: string) => watch.notify('claimline_coupons', name);

  /** Numbers of new claims, which are drawn before the constraints are looked at. */
  function draw(claims: Omit<Claim, 'id'>[]): Claim[] {
    return claims.map(claim => ({ ...claim, id: ++lastId }));
  }

  function commit({ coupon, refusals = [], notifications = [] }: Writes, claims: Claim[]) {
    if (coupon && coupon.remaining < 0) throw Object.assign(new Error('remaining_amount'), { code: '23514' });
    for (const claim of claims) if (rows.claims.some(other => isSamePlace(claim, other))) throw conflict();
    if (claims.some((claim, i) => claims.slice(0, i).some(other => isSamePlace(claim, other))))
      throw conflict();
    rows = {
      coupons: coupon ? new Map(rows.coupons).set(coupon.name, coupon) : rows.coupons,
      claims: claims.length > 0 ? [...rows.claims, ...claims] : rows.claims,
      refusals:
        refusals.length > 0
          ? new Map([...rows.refusals, ...refusals.map(one => [one.ticket, one] as const)])
          : rows.refusals,
    };
    watch.committed(claims);
    for (const { channel, payload } of notifications) watch.notify(channel, payload);
  }

  /** By hand: the trigger raises epoch and revision, and the claims epoch with the counters and the limit. */
  function change(name: string, to: Partial<Coupon>) {
    const coupon = rows.coupons.get(name);
    if (!coupon) return;
    const { claimsEpoch, epoch, revision } = coupon;
    const isOfClaims = (['limit', 'granted', 'claimed'] as const).some(
      one => (to[one] ?? coupon[one]) !== coupon[one],
    );
    const raised = {
      epoch: epoch + 1,
      claimsEpoch: claimsEpoch + (isOfClaims ? 1 : 0),
      revision: revision + 1,
    };
    const changed = { ...coupon, ...to, ...raised };
    rows = { ...rows, coupons: new Map(rows.coupons).set(name, changed) };
    watch.committed([]);
    announce(name);
  }

  return {
    clockMs,
    get rows() {
      return rows;
    },
    draw,
    locked,
    commit,
    change,
    insert(coupon: Pick<Coupon, 'id' | 'name' | 'amount'> & Partial<Coupon>) {
      if (rows.coupons.has(coupon.name)) return;
      const defaults = { granted: 0, claimed: 0, limit: 1, startsAtMs: null, endsAtMs: null };
      const row: Coupon = {
        ...{ ...defaults, remaining: coupon.amount, status: 'active', revision: 1, epoch: 1, claimsEpoch: 1 },
        ...coupon,
      };
      rows = { ...rows, coupons: new Map(rows.coupons).set(row.name, row) };
      watch.committed([]);
      announce(row.name);
    },
    /** With its claims. */
    remove(name: string) {
      const coupons = new Map(rows.coupons);
      if (!coupons.delete(name)) return;
      rows = { ...rows, coupons, claims: rows.claims.filter(claim => claim.couponName !== name) };
      watch.committed([]);
      announce(name);
    },
    /** Deletes a person's claims on a coupon, which gives nothing back to the stock. */
    letGo(name: string, userId: string) {
      const coupon = rows.coupons.get(name);
      const left = rows.claims.filter(claim => claim.couponName !== name || claim.userId !== userId);
      const gone = rows.claims.length - left.length;
      if (!coupon || gone === 0) return;
      rows = { ...rows, claims: left };
      change(name, { claimed: coupon.claimed - gone });
    },
  };
}

export type Tables = ReturnType<typeof createTables>;

/** The unique constraints of claims. */
function isSamePlace(one: Claim, other: Claim): boolean {
  return (
    one.ticket === other.ticket ||
    (one.couponName === other.couponName &&
      (one.sequence === other.sequence || (one.userId === other.userId && one.ordinal === other.ordinal)))
  );
}

function conflict(): Error {
  return Object.assign(new Error('duplicate key value violates unique constraint'), { code: '23505' });
}
