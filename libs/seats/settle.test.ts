import { transaction } from '@claimline/db/transaction';
import { metrics } from '@claimline/telemetry/metrics';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { changeEvent } from './events.ts';
import { addSeats } from './seats.ts';
import { settleGone } from './settle.ts';
import { sweepReservations } from './sweep.ts';
import {
  insertEvent,
  named,
  openSeatDatabase,
  requestOf,
  reservationOf,
  settle,
  violated,
} from './testing.ts';

let database: Awaited<ReturnType<typeof openSeatDatabase>>;
beforeAll(async () => {
  database = await openSeatDatabase();
});
afterAll(() => database.close());

const seatRows = (eventId: string) => database.sql<{ number: string; status: string; version: number }[]>`
  select number, status, version from seats where event_id = ${eventId} order by id`;
const statuses = async (eventId: string) => (await seatRows(eventId)).map(seat => seat.status);

/** One of the functions that turn a hold into something else. */
async function call(name: string, reservation: string, ...more: number[]) {
  const [row] = await database.sql.unsafe<{ verdict: string }[]>(
    `select ${name}($1${more.map((_, i) => `, $${i + 2}`).join('')}) as verdict`,
    [reservation, ...more],
  );
  return row?.verdict;
}

test('a batch is settled in its order, and again with the same answers', async () => {
  const { sql } = database;
  const event = await insertEvent(sql, 4);
  const batch = [named(1, 2), named(2, 3), named(3, 4), { quantity: 1, section: null }].map((wish, i) =>
    requestOf(`person ${i}`, wish),
  );
  const answers = ['1 2', 'seat_taken', '3 4', 'sold_out'];
  expect(await settle(sql, event, batch)).toEqual(answers);
  expect(await settle(sql, event, [...batch].reverse())).toEqual([...answers].reverse());
  expect(await statuses(event)).toEqual(['held', 'held', 'held', 'held']);
  const [row] =
    await sql`select sum(amount)::int as amount, sum(seat_count)::int as seats from reservations where event_id = ${event}`;
  expect(row).toEqual({ amount: 1000, seats: 4 });
});

test('one ticket in two workers at once is decided once', async () => {
  const { sql } = database;
  const event = await insertEvent(sql, 100);
  const batch = Array.from({ length: 40 }, (_, i) =>
    requestOf(`person ${i}`, { quantity: 1, section: null }),
  );
  await Promise.all([batch, batch, batch, batch].map(each => settle(sql, event, each)));
  expect((await statuses(event)).filter(status => status === 'held')).toHaveLength(40);
  expect(await violated(database.url)).toEqual({});
});

test('a seat that is taken out of the sale between looking and holding is not held', async () => {
  const { sql } = database;
  const event = await insertEvent(sql, 3);
  // Whoever holds the lock of a seat keeps the settle between its look and its holding.
  const blocked = sql`
    with blocked as (update seats set status = 'blocked', version = version + 1 where event_id = ${event} and number = '2' returning 1)
    select pg_sleep(0.5) from blocked`.then(() => {});
  await expect
    .poll(
      async () =>
        (
          await sql`select from pg_stat_activity where query like '%pg_sleep(0.5)%' and state = 'active' and pid <> pg_backend_pid()`
        ).length,
    )
    .toBe(1);
  const both = [requestOf('ann', named(1, 2)), requestOf('bob', named(3))];
  expect(await settle(sql, event, both)).toEqual(['seat_taken', '3']);
  await blocked;
  expect(await statuses(event)).toEqual(['available', 'blocked', 'held']);
});

/** How many settles were broken off so far, such as by a deadlock; each was done again. */
async function brokenOff(): Promise<number> {
  const { values } = await metrics.settleAgain.get();
  return values.find(({ labels }) => labels.why === 'transient')?.value ?? 0;
}

/** Resolves when a settle waits for a lock of somebody else. */
const isWaiting = () =>
  expect
    .poll(async () => {
      const rows = await database.sql`
        select from pg_stat_activity where wait_event_type = 'Lock' and query like '%-- Settles reservations%'
          and datname = current_database()`;
      return rows.length;
    })
    .toBeGreaterThan(0);

test('what was prepared before somebody else decided the same ticket does nothing', async () => {
  const { sql, url } = database;
  const event = await insertEvent(sql, 1);
  await sql`update seats set status = 'blocked', version = version + 1 where event_id = ${event}`;
  const request = requestOf('ann', named(1));
  let settling: Promise<string[]> | undefined;
  await transaction(url, async tx => {
    await tx`select from events where id = ${event} for update`;
    settling = settle(sql, event, [request]); // It would refuse.
    await isWaiting();
    await tx`update seats set status = 'available', version = version + 1 where event_id = ${event}`;
    const [made] = await tx<{ id: string }[]>`
      insert into reservations (event_id, user_id, ticket, seats, seat_count, amount, currency, expires_at)
      values (${event}, 'ann', ${request[0]}, '[{"number": "1", "price": 100}]', 1, 100, 'EUR', now() + interval '1 h')
      returning id`;
    await tx`
      update seats set status = 'held', reservation_id = ${made!.id}, held_until = now() + interval '1 h',
        version = version + 1 where event_id = ${event}`;
    await tx`update events set revision = revision + 1 where id = ${event}`;
  });
  expect(await settling).toEqual(['1']);
  expect(await violated(url)).toEqual({});
});

test('seats are locked in the order of their ids, however they are named', async () => {
  const { sql, url } = database;
  const before = await brokenOff();
  const event = await insertEvent(sql, 2);
  let settling: Promise<string[]> | undefined;
  await transaction(url, async tx => {
    await tx`select from seats where event_id = ${event} and number = '1' for update`;
    settling = settle(sql, event, [requestOf('ann', named(2, 1))]);
    await isWaiting();
    // Were the second seat locked by now, each would wait for the other.
    await tx`select from seats where event_id = ${event} and number = '2' for update`;
  });
  expect(await settling).toEqual(['2 1']);
  expect(await brokenOff()).toBe(before);
});

test('what becomes of a hold: each function, and what it answers where it does nothing', async () => {
  const { sql } = database;
  const event = await insertEvent(sql, 2);
  const hold = async () => {
    const request = requestOf('ann', named(1, 2));
    expect(await settle(sql, event, [request])).toEqual(['1 2']);
    return (await reservationOf(sql, request)).id;
  };
  const unknown = '00000000-0000-4000-8000-000000000000';
  for (const name of ['book_seats', 'give_back_seats', 'release_hold'])
    expect(await call(name, unknown)).toBe('unknown');
  expect(await call('extend_hold', unknown, 1)).toBe('unknown');

  const first = await hold();
  expect(await call('give_back_seats', first)).toBe('active');
  expect([await call('release_hold', first), await call('release_hold', first)]).toEqual(['ok', 'same']);
  expect([await call('book_seats', first), await call('extend_hold', first, 60)]).toEqual([
    'canceled',
    'canceled',
  ]);
  expect(await statuses(event)).toEqual(['available', 'available']);

  const second = await hold();
  expect([await call('book_seats', second), await call('book_seats', second)]).toEqual(['ok', 'same']);
  expect([await call('release_hold', second), await call('extend_hold', second, 60)]).toEqual([
    'booked',
    'booked',
  ]);
  expect(await statuses(event)).toEqual(['booked', 'booked']);
  expect([await call('give_back_seats', second), await call('give_back_seats', second)]).toEqual([
    'ok',
    'same',
  ]);
  expect(await statuses(event)).toEqual(['available', 'available']);

  const third = await hold();
  await sql`update events set is_canceled = true where id = ${event}`;
  expect(await call('book_seats', third)).toBe('canceled');
  expect(await settle(sql, event, [requestOf('bob', named(1))])).toEqual(['not_on_sale']);
  expect(await sweepReservations(sql)).toBe(1);
  expect(await statuses(event)).toEqual(['available', 'available']);
  expect(await violated(database.url)).toEqual({});
});

test('a hold that has lapsed: extended never, booked only as long as nobody has a seat of it', async () => {
  const { sql } = database;
  const event = await insertEvent(sql, 4, 1);
  const [ann, bob, eve] = [
    requestOf('ann', named(1, 2)),
    requestOf('bob', named(3)),
    requestOf('eve', named(4)),
  ];
  await settle(sql, event, [ann, bob, eve]);
  const [first, second, third] = await Promise.all([ann, bob, eve].map(one => reservationOf(sql, one)));
  expect(await call('extend_hold', third!.id, 600)).toBe('ok');
  const isOver = async () =>
    (
      await sql<
        { over: boolean }[]
      >`select expires_at <= now() as over from reservations where id = ${first!.id}`
    )[0]?.over;
  await expect.poll(isOver, { timeout: 10_000 }).toBe(true);
  expect(await call('extend_hold', first!.id, 600)).toBe('lapsed');
  expect(await settle(sql, event, [requestOf('max', named(2)), requestOf('kim', named(4))])).toEqual([
    '2',
    'seat_taken',
  ]);
  expect(await call('book_seats', first!.id)).toBe('lapsed');
  expect(await call('book_seats', second!.id)).toBe('ok');
  expect(await violated(database.url)).toEqual({});
  expect(await sweepReservations(sql)).toBe(1);
  expect(await statuses(event)).toEqual(['available', 'held', 'booked', 'held']);
  expect(await call('book_seats', first!.id)).toBe('lapsed');
});

test('a hold that lapsed while somebody was about to extend it is not extended', async () => {
  const { sql, url } = database;
  const event = await insertEvent(sql, 2, 1);
  const ann = requestOf('ann', named(1, 2));
  await settle(sql, event, [ann]);
  const { id } = await reservationOf(sql, ann);
  const verdict = await transaction(url, async tx => {
    await tx`select now()`; // Before the end, and so it stays in this transaction.
    await expect
      .poll(async () => (await reservationOf(sql, ann)).expires_at <= (await clockOf(sql)), {
        timeout: 10_000,
      })
      .toBe(true);
    expect(await settle(sql, event, [requestOf('bob', named(2))])).toEqual(['2']);
    const [row] = await tx<{ verdict: string }[]>`select extend_hold(${id}, 600) as verdict`;
    return row?.verdict;
  });
  expect(verdict).toBe('lapsed');
  expect(await violated(url)).toEqual({});
});

async function clockOf(sql: typeof database.sql): Promise<Date> {
  const [row] = await sql<{ now: Date }[]>`select clock_timestamp() as now`;
  return row!.now;
}

test('canceling an event waits for nobody, and what was locked meanwhile is freed by the next sweep', async () => {
  const { sql, url } = database;
  const event = await insertEvent(sql, 3);
  const requests = [1, 2, 3].map(number => requestOf(`person ${number}`, named(number)));
  await settle(sql, event, requests);
  const { id } = await reservationOf(sql, requests[0]!);
  await transaction(url, async tx => {
    await tx`select from reservations where id = ${id} for update`;
    await changeEvent(sql, event, { status: 'canceled' });
    expect(await statuses(event)).toEqual(['held', 'available', 'available']);
  });
  await sweepReservations(sql);
  expect(await statuses(event)).toEqual(['available', 'available', 'available']);
  expect((await reservationOf(sql, requests[0]!)).status).toBe('canceled');
});

test('seats that two add to one row at once get places of their own', async () => {
  const { sql, url } = database;
  const event = await insertEvent(sql, 1);
  const seatsOf = (name: string) => [1, 2].map(n => ({ number: `${name}${n}`, price: 1, currency: 'EUR' }));
  let adding: Promise<number[]> | undefined;
  await transaction(url, async tx => {
    await tx`select from events where id = ${event} for update`;
    adding = Promise.all(['a', 'b'].map(name => addSeats(sql, event, seatsOf(name))));
    await expect
      .poll(async () => {
        const rows = await sql`
          select from pg_stat_activity where wait_event_type = 'Lock' and query like '%insert into seats%'
            and datname = current_database()`;
        return rows.length;
      })
      .toBe(2);
  });
  expect(await adding).toEqual([2, 2]);
  const rows = await sql<
    { place: number }[]
  >`select place from seats where event_id = ${event} order by place`;
  expect(rows.map(({ place }) => place)).toEqual([1, 2, 3, 4, 5]);
});

test('workers, bookings, releases and the sweep at once: nobody waits in a circle, nothing is split', async () => {
  const { sql } = database;
  const event = await insertEvent(sql, 30, 1);
  const results = { deadlocks: 0, done: 0 };
  const before = await brokenOff();
  const someHold = async () =>
    (
      await sql<
        { id: string }[]
      >`select id from reservations where event_id = ${event} order by random() limit 1`
    )[0]?.id;
  async function act(worker: number, round: number) {
    const at = (i: number) => ((worker * 7 + round * 11 + i * 13) % 30) + 1;
    const numbers = [...new Set([at(0), at(1), at(2)])];
    const id = await someHold();
    const acts = [
      () =>
        settle(sql, event, [
          requestOf('x', named(...numbers)),
          requestOf('y', { quantity: 2, section: null }),
        ]),
      () => settle(sql, event, [requestOf('z', named(...numbers.reverse()))]),
      () => (id ? call('book_seats', id) : null),
      () => (id ? call('release_hold', id) : null),
      () => (id ? call('give_back_seats', id) : null),
      () => (id ? call('extend_hold', id, 1) : null),
      () => sweepReservations(sql),
    ];
    await acts[(worker + round) % acts.length]?.();
    results.done++;
  }
  await Promise.all(
    Array.from({ length: 8 }, async (_, worker) => {
      for (let round = 0; round < 40; round++)
        await act(worker, round).catch(error => {
          if ((error as { code?: string }).code !== '40P01') throw error;
          results.deadlocks++;
        });
    }),
  );
  expect(results).toEqual({ deadlocks: 0, done: 320 });
  expect(await brokenOff()).toBe(before);
  expect(await violated(database.url)).toEqual({});
}, 60_000);

test('webhooks are told of what is held and what has expired, and of nothing else', async () => {
  const { sql } = database;
  const event = await insertEvent(sql, 3, 1);
  await sql`insert into webhook_endpoints (id, url, secrets) values ('ep_0123456789abcdef', 'https://x.example', '[{}]')`;
  const [ann, bob, eve] = [
    requestOf('ann', named(1)),
    requestOf('bob', named(2)),
    requestOf('eve', named(1)),
  ];
  await settle(sql, event, [ann, bob, eve]);
  const { id } = await reservationOf(sql, bob);
  await call('release_hold', id);
  const toldOf = () => sql<{ type: string; data: Record<string, unknown> }[]>`
    select type, data from outbox where subject = ${event} order by id`;
  await expect
    .poll(async () => (await sweepReservations(sql)) >= 0 && (await toldOf()).length, { timeout: 10_000 })
    .toBe(3);
  const told = await toldOf();
  expect(told.map(({ type, data }) => [type, data.user_id])).toEqual([
    ['reservation.held', 'ann'],
    ['reservation.held', 'bob'],
    ['reservation.expired', 'ann'],
  ]);
  expect(told[0]?.data).toMatchObject({
    ...{ event_id: `evt_${event.replaceAll('-', '')}`, amount: 100, currency: 'EUR' },
    ...{ reservation_id: expect.stringMatching(/^rsv_[0-9a-f]{32}$/), seats: [{ number: '1' }] },
    expires_at: expect.stringMatching(/^\d{4}-.*T.*\.\d{3}Z$/),
  });
  await sql`delete from webhook_endpoints`;
});

test('a request of a dead job, and of an event that is gone', async () => {
  const { sql } = database;
  const event = await insertEvent(sql, 1);
  const request = requestOf('ann', named(1));
  await settleGone(sql, event, [request], 'failed');
  const reason = async () =>
    (await sql`select reason from reservation_refusals where ticket = ${request[0]}`)[0]?.reason;
  expect(await reason()).toBe('failed');
  // An operator tries it again.
  expect(await settle(sql, event, [request])).toEqual(['1']);
  expect((await reservationOf(sql, request)).status).toBe('active');
  await sql`delete from events where id = ${event}`;
  const late = requestOf('bob', named(1));
  expect(await settle(sql, event, [late])).toEqual(['event_not_found']);
});

test('what is wrong is found', async () => {
  const { sql } = database;
  const event = await insertEvent(sql, 3);
  const requests = [requestOf('ann', named(1, 2)), requestOf('bob', named(3))];
  await settle(sql, event, requests);
  expect(await violated(database.url)).toEqual({});
  const found = async (statement: string) => {
    await sql.unsafe(statement.replaceAll('$event', `'${event}'`));
    return violated(database.url);
  };
  const one = { 'reservations-are-whole': 1 };
  expect(
    await found(
      `update seats set status = 'available', reservation_id = null, held_until = null where event_id = $event and number = '2'`,
    ),
  ).toEqual(one);
  expect(
    await found(`update seats set status = 'held', held_until = now() + interval '1 h',
      reservation_id = (select reservation_id from seats where event_id = $event and number = '3') where event_id = $event and number = '2'`),
  ).toEqual({ 'reservations-are-whole': 2 });
  expect(
    await found(
      `update reservations set seats = seats || '[{"number": "2", "price": 0}]' where event_id = $event and user_id = 'bob'`,
    ),
  ).toEqual({
    ...one,
    ...{ 'no-seat-in-two-reservations': 1, 'reservations-add-up': 1 },
  });
  expect(await found('delete from reservations where event_id = $event')).toEqual({
    'seats-have-a-reservation': 3,
  });
});
