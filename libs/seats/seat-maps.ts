import type { Changes } from '@claimline/db/changes';
import type { Sql } from '@claimline/db/pool';
import { LRUCache } from 'lru-cache';
import { EVENTS_CHANNEL } from './facts.ts';
import type { SeatStatus } from './seat.ts';
import { type SeatChange, SeatMap } from './seat-map.ts';

export const mapLimits = {
  /** Seats remembered by a process, of all events: about 200 bytes each. */
  seatsMost: 1_000_000,
} as const;

const SEATS_CHANNEL = 'claimline_seats';

type News = { event: string; seats?: SeatChange[] };

/** The seats of the events that somebody reserves, read when first asked for and then kept up to date by what is told. */
export type SeatMaps = {
  find(eventId: string): Promise<SeatMap>;
};

/** A read that is under way, and what was told meanwhile: null where it has to be read again. */
type Reading = { done: Promise<SeatMap>; heard: SeatChange[] | null };

export async function openSeatMaps(sql: Sql, changes: Changes): Promise<SeatMaps> {
  const known = new LRUCache<string, SeatMap>({
    maxSize: mapLimits.seatsMost,
    sizeCalculation: map => map.seats.size + 1,
  });
  const readings = new Map<string, Reading>();

  function forget(eventId: string) {
    known.delete(eventId);
    const reading = readings.get(eventId);
    if (reading) reading.heard = null;
  }
  function forgetAll() {
    known.clear();
    for (const reading of readings.values()) reading.heard = null;
  }

  await changes.on(SEATS_CHANNEL, payload => {
    const { event, seats } = JSON.parse(payload) as News;
    if (!seats) return forget(event);
    const map = known.get(event);
    if (map && !seats.every(change => map.change(change))) known.delete(event);
    readings.get(event)?.heard?.push(...seats);
  });
  await changes.on(EVENTS_CHANNEL, eventId => {
    if (eventId === '') forgetAll();
  });
  changes.onReconnect(forgetAll);

  function read(eventId: string): Promise<SeatMap> {
    const reading: Reading = {
      heard: [],
      done: readSeats(sql, eventId).then(
        map => {
          readings.delete(eventId);
          // What was told while it was read may be newer than what was read.
          if (reading.heard?.every(change => map.change(change))) known.set(eventId, map);
          return map;
        },
        error => {
          readings.delete(eventId);
          throw error;
        },
      ),
    };
    readings.set(eventId, reading);
    return reading.done;
  }

  return {
    find(eventId) {
      const map = known.get(eventId);
      return map ? Promise.resolve(map) : (readings.get(eventId)?.done ?? read(eventId));
    },
  };
}

async function readSeats(sql: Sql, eventId: string): Promise<SeatMap> {
  const rows = await sql<
    { number: string; section: string; status: SeatStatus; version: number; held_until: Date | null }[]
  >`select number, section, status, version, held_until from seats where event_id = ${eventId}`;
  const map = new SeatMap();
  for (const { number, section, status, version, held_until } of rows)
    map.put(number, { section, status, version, heldUntilMs: held_until?.getTime() ?? null });
  return map;
}
