import { randomBytes } from 'node:crypto';
import { type Directory, openDirectory } from '@claimline/coupons';
import { createClosers } from '@claimline/kernel/closers';
import type { Engine } from '@claimline/queue/engine';
import { type Host, openHost } from '@claimline/queue/host';
import { type EngineKind, openTestEngine, startTestStores } from '@claimline/queue/testing';
import { createTickets } from '@claimline/tickets/ticket';
import { createClaimVerb } from './claim.ts';
import { createGate } from './create-gate.ts';
import type { Gate } from './gate.ts';
import { openLane } from './lane.ts';
import { createLoadGate, decidedAmong } from './load-gate.ts';
import { openOutcomes } from './outcomes.ts';
import { createTicketReader } from './read-ticket.ts';
import { createTrains } from './train.ts';

/** The longest wait for an outcome. */
const waitMs = 15_000;
/** No test of this house is about an overload. */
const waitMostMs = Number.POSITIVE_INFINITY;
const rest = (wait: () => Promise<void>) => wait();
const lanesMost = 10;

/** What became of one claim: a word, and the ticket that was issued or is held. */
export type Answer = { outcome: string; ticket: string | null; sequence?: number };

export type House = Awaited<ReturnType<typeof openHouse>>;

/**
 * The path of a claim from the train to the ticket, without HTTP: the parts of an API process and
 * of a worker, each with connections of its own, on stores of their own.
 *
 * @param wrapGate what stands at the door instead of the engine's own gate; asked once for each side
 */
export async function openHouse(
  kind: EngineKind,
  wrapGate: (gate: Gate, side: 'accepting' | 'working') => Gate = gate => gate,
) {
  const errors: unknown[] = [];
  const onError = (error: unknown) => void errors.push(error);
  const closers = createClosers((_, error) => onError(error));
  const stores = await startTestStores(kind);
  closers.push('stores', () => stores.stop());
  const accepting = await openTestEngine(stores, 'accepting');
  closers.push('accepting', () => accepting.close());
  const working = await openTestEngine(stores, 'working');
  closers.push('working', () => working.close());

  const { sql, changes, engine } = accepting;
  const gate = wrapGate(createGate(engine), 'accepting');
  const tickets = createTickets(randomBytes(32));
  const directory = await openDirectory(sql, changes);
  const outcomes = await openOutcomes({
    ...{ changes, gate, tickets },
    findDecided: some => decidedAmong(sql, some),
  });
  const reader = createTicketReader({ sql, gate, engine, tickets, outcomes });

  /** Another accepting process's way in, with another engine or gate of a test's own. */
  function openDoor(other: { engine?: Engine; gate?: Gate; directory?: Directory } = {}) {
    const parts = { directory, changes, gate, engine, tickets, ...other };
    const trains = createTrains({ ...parts, loadGate: createLoadGate({ sql, ...parts }), waitMostMs });
    return { trains, verb: createClaimVerb({ ...parts, trains, outcomes, reader, rest }) };
  }
  const { trains, verb } = openDoor();

  const workersGate = wrapGate(createGate(working.engine), 'working');
  let host: Host | undefined;
  closers.push('host', () => host?.close());

  /** Claims for a person and waits for the outcome. */
  async function claim(couponName: string, userId: string): Promise<Answer> {
    const wish = { userId, metadata: null };
    const boarded = await verb.claimAndWait(couponName, wish, waitMs, new AbortController().signal);
    if (boarded.kind === 'full' || boarded.kind === 'overloaded')
      return { outcome: boarded.kind, ticket: null };
    if (boarded.kind === 'refused') return { outcome: boarded.reason, ticket: boarded.heldTicket };
    const answer = await outcomeOf(boarded.ticket);
    // Who joins their own claim and finds it granted has it already, as the simple form says.
    const isHeld = boarded.joined && answer.outcome === 'granted';
    return isHeld ? { outcome: 'already_claimed', ticket: boarded.ticket } : answer;
  }

  async function outcomeOf(ticket: string): Promise<Answer> {
    const { decided } = await reader.read(ticket);
    if (!decided) return { outcome: 'queued', ticket };
    if (decided.status === 'granted') return { outcome: 'granted', ticket, sequence: decided.sequence };
    return decided.status === 'failed'
      ? { outcome: 'failed', ticket }
      : { outcome: decided.reason, ticket: decided.heldTicket };
  }

  return {
    ...{ kind, sql, changes, engine, gate, tickets, directory, outcomes, reader, trains, errors, stores },
    ...{ verb, openDoor, claim, outcomeOf },
    /** Opens the lanes, as a worker process does. */
    async startWork() {
      const { engine: workersEngine, sql: workersSql } = working;
      host ??= await openHost({
        engine: workersEngine,
        lanesMost,
        open: lane => openLane(lane, { engine: workersEngine, sql: workersSql, gate: workersGate, onError }),
        isDone: async () => true,
        onError,
      });
    },
    async stopWork() {
      await host?.close();
      host = undefined;
    },
    close: () => closers.close(),
  };
}

/** A gate that admits everybody and remembers nothing: what is decided then, settle decides alone. */
export function createPassThroughGate(): Gate {
  let line = 0;
  const state = { inLine: 0, done: 0, perSecond: null };
  return {
    isShared: true,
    async admit(_coupon, candidates) {
      const verdicts = candidates.map(() => ({ kind: 'admitted' as const, line: ++line }));
      return { verdicts, line: state };
    },
    renew: async () => true,
    async load() {},
    async settled() {},
    async giveBack() {},
    find: async () => null,
    readLine: async () => state,
    places: async () => [],
    forgetAll() {},
    couponsInLine: () => [],
  };
}
