import { openSession } from '@claimline/db/session';
import { type Receiver, startReceiver } from '@claimline/http/testing-receiver';
import { describeOnEngine, type EngineKind, withLimits } from '@claimline/queue/testing';
import { Webhook } from 'standardwebhooks';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { queueOf } from './lane-name.ts';
import { relayOutbox } from './relay.ts';
import { sweepLimits } from './sweep.ts';
import { deliveriesTo, insertCoupon, settleClaims, someoneWaits } from './testing.ts';
import { type House, openHouse } from './testing-house.ts';

const within = { timeout: 15_000, interval: 20 };

/** From the outbox to the receiver and the attempt log, on one engine. */
export function deliveriesSuite(kind: EngineKind): void {
  describeOnEngine(kind, () => {
    let house: House;
    const receivers: Receiver[] = [];
    const running: { stop(): Promise<void> }[] = [];
    beforeAll(async () => {
      house = await openHouse(kind);
    });
    afterEach(async () => {
      await Promise.all(running.splice(0).map(work => work.stop()));
      await Promise.all(receivers.splice(0).map(receiver => receiver.close()));
      await house.sql`delete from webhook_endpoints`;
      // A job that is handed back may meet its own renewal.
      const errors = house.errors.splice(0).filter(error => !/renew lock/.test(String(error)));
      expect(errors).toEqual([]);
    });
    afterAll(() => house.close());

    async function startWork(...settings: Parameters<House['startWork']>) {
      const work = await house.startWork(...settings);
      running.push(work);
      return work;
    }
    async function receive(...behavior: Parameters<typeof startReceiver>) {
      const receiver = await startReceiver(...behavior);
      receivers.push(receiver);
      return receiver;
    }
    const createGranted = ({ url }: Receiver) =>
      house.createEndpoint({ url, event_types: ['claim.granted'] });
    const statesOf = async (lane: string) =>
      (await deliveriesTo(house.sql, lane)).map(({ status, attempts }) => `${status} ${attempts}`);
    const attemptsOf = (lane: string) => house.sql`
      select number, status_code, error, body, reason from webhook_attempts where lane = ${lane} order by id`;
    const idsAt = (receiver: Receiver) => receiver.received.map(({ headers }) => headers['webhook-id']);

    test('a message arrives signed, is delivered once, and its attempt is on record', async () => {
      const receiver = await receive({ status: 202, body: 'thanks' });
      const { id, secret } = await house.createEndpoint({ url: receiver.url });
      await startWork();
      const coupon = await insertCoupon(house.sql, 5);
      const [ticket] = await settleClaims(house.sql, coupon, ['ada']);
      await expect.poll(() => statesOf(id), within).toEqual(['delivered 1']);
      const [request] = receiver.received;
      const verified = new Webhook(secret).verify(request!.body, request!.headers as Record<string, string>);
      expect(verified).toMatchObject({
        type: 'claim.granted',
        data: { ticket, user_id: 'ada', event_sequence: 1 },
      });
      expect(idsAt(receiver)).toEqual((await deliveriesTo(house.sql, id)).map(one => one.message_id));
      expect(await attemptsOf(id)).toEqual([
        { number: 1, status_code: 202, error: null, body: 'thanks', reason: 'event' },
      ]);
    });

    test('what fails is tried again on the schedule, with the same id, until nothing is left of it', async () => {
      const receiver = await receive({ status: 500 });
      const { id } = await house.createEndpoint({ url: receiver.url });
      await startWork();
      await settleClaims(house.sql, await insertCoupon(house.sql, 5), ['ada']);
      const waits = [5, 300, 1800, 7200, 18_000, 36_000, 36_000];
      for (const [i, wait] of waits.entries()) {
        await expect.poll(() => statesOf(id), within).toEqual([`pending ${i + 1}`]);
        const [row] = await house.sql<{ wait: number }[]>`
          select extract(epoch from due_at - now())::float8 as wait from webhook_deliveries where lane = ${id}`;
        expect(row!.wait).toBeGreaterThan(wait * 0.8 - 3);
        expect(row!.wait).toBeLessThanOrEqual(wait * 1.2);
        await house.passTime(row!.wait);
      }
      await expect.poll(() => statesOf(id), within).toEqual(['exhausted 8']);
      const ids = idsAt(receiver);
      expect([ids.length, new Set(ids).size]).toEqual([8, 1]);
      expect((await attemptsOf(id)).map(one => [one.number, one.status_code])).toEqual(
        Array.from({ length: 8 }, (_, i) => [i + 1, 500]),
      );
    });

    test('one endpoint that hangs keeps the others waiting for nothing', async () => {
      const [hanging, friendly] = [await receive({ mode: 'hang' }), await receive()];
      const stuck = await house.createEndpoint({ url: hanging.url });
      const fine = await house.createEndpoint({ url: friendly.url });
      await startWork();
      const people = Array.from({ length: 50 }, (_, i) => `person ${i}`);
      await settleClaims(house.sql, await insertCoupon(house.sql, 100), people);
      await expect.poll(() => friendly.received.length, within).toBe(50);
      await expect.poll(() => hanging.received.length, within).toBe(4);
      await expect
        .poll(async () => new Set(await statesOf(fine.id)), within)
        .toEqual(new Set(['delivered 1']));
      expect(new Set(await statesOf(stuck.id))).toEqual(new Set(['pending 0']));
    });

    test('jobs that the queue store lost are added again', async () => {
      const receiver = await receive();
      const { id } = await house.createEndpoint({ url: receiver.url });
      const queue = house.engine.queue(queueOf(id));
      await queue.pause();
      await startWork();
      await settleClaims(house.sql, await insertCoupon(house.sql, 5), ['ada', 'bob']);
      await expect.poll(() => house.engine.countUndecided(queueOf(id)), within).toBe(2);
      // As if the store had been emptied.
      await queue.obliterate({ force: true });
      await queue.resume();
      await house.passTime(60);
      await expect.poll(() => statesOf(id), within).toEqual(['delivered 1', 'delivered 1']);
      expect(receiver.received).toHaveLength(2);
    });

    test('a lane that has jobs is not done, in hand or not', async () => {
      const receiver = await receive();
      const { id } = await house.createEndpoint({ url: receiver.url });
      const queue = house.engine.queue(queueOf(id));
      await queue.pause();
      const { isDone } = await startWork();
      await settleClaims(house.sql, await insertCoupon(house.sql, 5), ['ada']);
      await expect.poll(() => house.engine.countUndecided(queueOf(id)), within).toBe(1);
      expect([await isDone(queueOf(id)), await isDone('seats.1')]).toEqual([false, null]);
      await queue.resume();
      await expect.poll(() => isDone(queueOf(id)), within).toBe(true);
      expect(await statesOf(id)).toEqual(['delivered 1']);
    });

    test('a job that ended without a record of it is made again', async () => {
      const receiver = await receive();
      const { id } = await house.createEndpoint({ url: receiver.url });
      await startWork();
      await settleClaims(house.sql, await insertCoupon(house.sql, 5), ['ada']);
      await expect.poll(() => statesOf(id), within).toEqual(['delivered 1']);
      // As if what came of it had not been recorded; the queue still knows the job.
      await house.sql`
        update webhook_deliveries set status = 'pending', is_queued = true, run = run - 1, attempts = 0, due_at = now()
        where lane = ${id}`;
      await expect.poll(() => statesOf(id), within).toEqual(['delivered 1']);
      expect(receiver.received).toHaveLength(2);
    });

    test('a process that stops in mid-attempt leaves it to another', async () => {
      const receiver = await receive({ mode: 'hang' });
      const { id } = await house.createEndpoint({ url: receiver.url });
      const first = await house.startWork();
      await settleClaims(house.sql, await insertCoupon(house.sql, 5), ['ada']);
      await expect.poll(() => receiver.received.length, within).toBe(1);
      await first.stop();
      expect(await statesOf(id)).toEqual(['pending 0']);
      receiver.behave({});
      await startWork();
      await expect.poll(() => statesOf(id), within).toEqual(['delivered 1']);
      expect(new Set(idsAt(receiver)).size).toBe(1);
    });

    test('a breaker opens on failures, lets one attempt through, and closes on success', async () => {
      const receiver = await receive({ status: 503 });
      const { id } = await house.createEndpoint({ url: receiver.url });
      await startWork({ concurrency: 1 });
      const people = Array.from({ length: 30 }, (_, i) => `person ${i}`);
      await settleClaims(house.sql, await insertCoupon(house.sql, 100), people);
      const isOpen = async () => {
        const [lane] =
          await house.sql`select open_until > now() as is_open from webhook_lanes where lane = ${id}`;
        return lane?.is_open;
      };
      await expect.poll(isOpen, within).toBe(true);
      await expect.poll(() => house.engine.countUndecided(queueOf(id)), within).toBe(0);
      expect(receiver.received).toHaveLength(10);
      await house.passTime(30);
      await expect.poll(isOpen, within).toBe(true);
      expect(receiver.received).toHaveLength(11);
      receiver.behave({});
      await house.passTime(30);
      await expect
        .poll(async () => new Set(await statesOf(id)), within)
        .toEqual(new Set(['delivered 1', 'delivered 2']));
      expect(new Set(idsAt(receiver)).size).toBe(30);
    });

    test('410 and a wish to be left alone end an endpoint at once; what is pending is listed as exhausted', async () => {
      const [gone, leaving, witness] = [
        await receive({ status: 410 }),
        await receive({ headers: { 'webhook-delivery': 'disable' } }),
        await receive(),
      ];
      const [a, b] = [await createGranted(gone), await createGranted(leaving)];
      await house.createEndpoint({ url: witness.url, event_types: ['endpoint.disabled'] });
      await startWork({ concurrency: 1 });
      await settleClaims(house.sql, await insertCoupon(house.sql, 5), ['ada', 'bob', 'cy']);
      await expect.poll(() => witness.received.length, within).toBe(2);
      const told = witness.received.map(({ body }) => JSON.parse(body).data);
      expect(told.map(data => [data.endpoint_id, data.reason]).sort()).toEqual(
        [
          [a.id, 'gone'],
          [b.id, 'receiver'],
        ].sort(),
      );
      expect(told.map(data => data.origin).sort()).toEqual(
        [gone, leaving].map(({ url }) => new URL(url).origin).sort(),
      );
      for (const body of witness.received.map(request => request.body)) expect(body).not.toContain(gone.url);
      for (const { id } of [a, b])
        await expect
          .poll(async () => (await statesOf(id)).sort(), within)
          .toEqual(['exhausted 0', 'exhausted 0', 'exhausted 1']);
      expect(house.disabled.splice(0)).toHaveLength(2);
    });

    test('what a disabled endpoint leaves is ended beside the work for the others, and a stop waits for none of it', async () => {
      const receiver = await receive();
      const leaving = await createGranted(receiver);
      const people = Array.from({ length: 50 }, (_, i) => `person ${i}`);
      await settleClaims(house.sql, await insertCoupon(house.sql, 50), people);
      await relayOutbox(house.sql);
      await house.sql`
        update webhook_endpoints set status = 'disabled', disabled_at = now(), disabled_reason = 'operator'`;
      const { id } = await createGranted(receiver);
      // Whoever ends one of them waits at a door.
      await house.sql`
        create function wait_at_door() returns trigger language plpgsql set lock_timeout = 0 as
        $$ begin perform pg_advisory_xact_lock_shared(1); return new; end $$`;
      await house.sql`
        create trigger door before update on webhook_deliveries for each row
        when (new.status = 'exhausted') execute function wait_at_door()`;
      const door = await openSession({ url: house.stores.databaseUrl, applicationName: 'test door' });
      await door.sql`select pg_advisory_lock(1)`;
      await withLimits(sweepLimits, { bite: 1 }, async () => {
        const work = await startWork();
        await someoneWaits(house.sql);
        await settleClaims(house.sql, await insertCoupon(house.sql, 5), ['ada']);
        await expect.poll(() => statesOf(id), within).toEqual(['delivered 1']);
        const stopped = work.stop();
        await door.sql`select pg_advisory_unlock(1)`;
        await stopped;
      });
      await door.close();
      expect((await statesOf(leaving.id)).filter(state => state === 'pending 0').length).toBeGreaterThan(48);
      await house.sql`drop function wait_at_door cascade`;
      // The door was closed for longer than a statement may take, on a slow machine.
      house.errors.splice(0);
    });

    test('five days of nothing but failures disable an endpoint, and one success in them does not', async () => {
      const failing = await receive({ status: 500 });
      const flaky = await receive({ status: 500 });
      const [a, b] = [await createGranted(failing), await createGranted(flaky)];
      await startWork();
      const coupon = await insertCoupon(house.sql, 100);
      const reasonOf = async ({ id }: { id: string }) =>
        (await house.sql`select disabled_reason from webhook_endpoints where id = ${id}`)[0]?.disabled_reason;
      /** Every message was tried, and whatever is left waits for its next time. */
      const rests = async () => {
        const [row] = await house.sql`
          select
            count(*) = ${days.length * 2} and not bool_or(status = 'pending' and (is_queued or due_at <= clock_timestamp())) as rests
          from webhook_deliveries where lane in (${a.id}, ${b.id})`;
        return row?.rests;
      };
      const days: string[] = [];
      for (const day of ['1', '2', '3', '4', '5']) {
        days.push(day);
        flaky.behave({ status: day === '4' ? 200 : 500 });
        await settleClaims(house.sql, coupon, [day]);
        await expect.poll(rests, within).toBe(true);
        expect([day, await reasonOf(a)]).toEqual([day, null]);
        await house.passTime(86_400);
      }
      await expect.poll(() => reasonOf(a), within).toBe('failing');
      expect(await reasonOf(b)).toBeNull();
      expect(house.disabled.splice(0)).toEqual([{ endpointId: a.id, reason: 'failing' }]);
    });
  });
}
