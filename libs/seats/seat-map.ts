import type { SeatStatus } from './seat.ts';

/** A seat as a process remembers it. */
export type KnownSeat = {
  section: string;
  status: SeatStatus;
  version: number;
  heldUntilMs: number | null;
};

/** What is told of a seat that has changed: number, status, version, and until when it is held. */
export type SeatChange = [number: string, status: SeatStatus, version: number, heldUntilMs: number | null];

/**
 * One event's seats in this process's memory: what the gate refuses by. News may come twice and late, since a
 * seat's version only rises.
 */
export class SeatMap {
  readonly seats = new Map<string, KnownSeat>();
  private sections = new Set<string>();
  /** Free seats by section that exists, `null` for all, as long as nothing changes and nothing lapses. */
  private counts = new Map<string | null, { free: number; untilMs: number }>();

  get(number: string): KnownSeat | undefined {
    return this.seats.get(number);
  }

  put(number: string, seat: KnownSeat) {
    const known = this.seats.get(number);
    if (!known || known.version < seat.version) this.seats.set(number, seat);
    this.sections.add(seat.section);
  }

  /** False for a seat that is not known: then the event's seats have to be read anew. */
  change([number, status, version, heldUntilMs]: SeatChange): boolean {
    const known = this.seats.get(number);
    if (!known) return false;
    if (known.version >= version) return true;
    this.seats.set(number, { section: known.section, status, version, heldUntilMs });
    this.counts.clear();
    return true;
  }

  /** How many seats of a section, or of all, somebody could have. */
  countFree(section: string | null, nowMs: number): number {
    // A caller may send any text: one that is no section costs neither memory nor a look at the seats.
    if (section !== null && !this.sections.has(section)) return 0;
    const known = this.counts.get(section);
    if (known && nowMs < known.untilMs) return known.free;
    let free = 0;
    let untilMs = Number.POSITIVE_INFINITY;
    for (const seat of this.seats.values()) {
      if (section !== null && seat.section !== section) continue;
      if (isFree(seat, nowMs)) free++;
      else if (seat.heldUntilMs !== null) untilMs = Math.min(untilMs, seat.heldUntilMs);
    }
    this.counts.set(section, { free, untilMs });
    return free;
  }
}

export function isFree({ status, heldUntilMs }: KnownSeat, nowMs: number): boolean {
  return status === 'available' || (status === 'held' && heldUntilMs !== null && heldUntilMs <= nowMs);
}
