import { createClosers } from '@claimline/kernel/closers';
import { type Host, openHost } from '@claimline/queue/host';
import { type EngineKind, openTestEngine, startTestStores, withLimits } from '@claimline/queue/testing';
import { parseAllowList } from './allow-list.ts';
import { readSeal } from './read-seal.ts';
import { newSecret, secretText } from './sign.ts';
import {
  type Deliveries,
  type DeliverySettings,
  deliveriesLimits,
  startDeliveries,
} from './start-deliveries.ts';
import { insertEndpoint } from './testing.ts';

/** What the product comes with, but for fewer attempts at a time. */
const productSettings = {
  schedule: {
    waitsMs: [0, 5, 300, 1800, 7200, 18_000, 36_000, 36_000].map(seconds => seconds * 1000),
    throttledMs: 60_000,
  },
  concurrency: 4,
  totalMs: 15_000,
  disableAfterS: 5 * 86_400,
};

const lanesMost = 50;

export type House = Awaited<ReturnType<typeof openHouse>>;

/** What delivers in a worker process, on stores of its own. Nothing runs before `startWork`. */
export async function openHouse(kind: EngineKind) {
  const errors: unknown[] = [];
  const onError = (error: unknown) => void errors.push(error);
  const closers = createClosers((_, error) => onError(error));
  const stores = await startTestStores(kind);
  closers.push('stores', () => stores.stop());
  const { sql, changes, engine, close } = await openTestEngine(stores);
  closers.push('engine', close);
  const seal = await readSeal(sql, []);
  const disabled: { endpointId: string; reason: string }[] = [];

  async function startWork(settings: Partial<DeliverySettings> = {}) {
    let deliveries = {} as Deliveries;
    const start = async () => {
      deliveries = await startDeliveries({
        sql,
        changes,
        engine,
        secretKeys: [],
        allow: parseAllowList('127.0.0.0/8'),
        settings: { ...productSettings, ...settings },
        onDisabled: (endpointId, reason) => void disabled.push({ endpointId, reason }),
        onError,
      });
    };
    await withLimits(deliveriesLimits, { sweepMs: 50 }, start);
    const host: Host = await openHost({
      engine,
      lanesMost,
      open(queue) {
        const lane = deliveries.open(queue);
        if (!lane) throw new Error(`${queue} is no lane of deliveries`);
        return lane;
      },
      isDone: async queue => (await deliveries.isDone(queue)) ?? true,
      onError,
    });
    const stop = async () => {
      await withLimits(deliveriesLimits, { graceMs: 100 }, async () => {
        await Promise.all([deliveries.stop(), host.close()]);
      });
    };
    return { host, isDone: deliveries.isDone, stop };
  }

  return {
    kind,
    stores,
    sql,
    engine,
    errors,
    disabled,
    startWork,
    /** An endpoint with a secret of its own. */
    async createEndpoint(values: { url: string; event_types?: string[]; coupons?: string[] }) {
      const id = await insertEndpoint(sql, values);
      const secret = newSecret();
      const secrets = [{ sealed: seal.seal(secret, id), until: null }];
      await sql`update webhook_endpoints set secrets = ${sql.json(secrets)} where id = ${id}`;
      return { id, secret: secretText(secret) };
    },
    /** Lets time pass for whatever waits for a time: everything is set back by so much. */
    async passTime(seconds: number) {
      const back = sql`${seconds} * interval '1 s'`;
      await sql`
        with due as (
          update webhook_deliveries set due_at = due_at - ${back} where status = 'pending'
        )
        update webhook_lanes
        set open_until = open_until - ${back}, failing_since = failing_since - ${back},
          window_started_at = window_started_at - ${back}`;
    },
    close: () => closers.close(),
  };
}
