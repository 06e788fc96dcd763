import { AppError } from '@claimline/kernel/error';
import type { Boarded, Wish } from '../train.ts';
import type { Api } from './api.ts';
import { nowMs, sleep } from './clock.ts';
import { type Ask, createKeyed, type Told } from './keyed.ts';
import type { Asking } from './oracle.ts';
import type { SimulatedProcess } from './process.ts';
import type { World } from './world.ts';

const limits = {
  /** The wait for an outcome that clients ask for. */
  waitMs: 5000,
  retryMs: 1000,
  /** P3: who keeps asking is through by then. */
  patienceMs: 90_000,
} as const;

/** What a client knows of a ticket after asking. */
export type Answer = 'decided' | 'queued' | 'lost' | 'unknown';

export type Clients = ReturnType<typeof createClients>;

/** People with a client each: they claim, read their tickets, and hold the system to what it tells them. */
export function createClients(world: World) {
  const { oracle, history, api: apiAt } = world;
  /** Tickets that somebody was told, and by which process first. */
  const told = new Map<string, { userId: string; name: string; by: SimulatedProcess }>();

  /** One request; resolves with what was told, or with null when it was answered 503. */
  async function claim(api: Api, name: string, userId: string, waits: boolean): Promise<Boarded | null> {
    history.say(`${userId} claims ${name} at ${api.process.name}${waits ? ' and waits' : ''}`);
    return board(api, name, { userId, metadata: null }, waits ? limits.waitMs : 0).catch(() => null);
  }

  /** Errors: what is answered 503. */
  async function board(api: Api, name: string, wish: Wish, waitMs: number): Promise<Boarded> {
    const { userId } = wish;
    const startedMs = nowMs();
    const asking = oracle.ask(name, userId);
    api.process.onKilled(() => oracle.answered(asking));
    try {
      const boarded =
        waitMs > 0
          ? await api.verb.claimAndWait(name, wish, waitMs, new AbortController().signal)
          : await api.verb.claim(name, wish);
      judge(api, asking, boarded, startedMs);
      return boarded;
    } catch (error) {
      if (!isExpected(error)) oracle.fail(`${userId} was answered by a surprise: ${(error as Error).stack}`);
      history.say(`${userId} is answered: ${(error as Error).message}`);
      throw error;
    } finally {
      oracle.answered(asking);
    }
  }

  async function ask(...asked: Parameters<Ask>): Promise<Told> {
    const boarded = await board(...asked);
    if (boarded.kind === 'queued') return { ticket: boarded.ticket };
    return { reason: boarded.kind === 'refused' ? boarded.reason : boarded.kind };
  }

  function judge({ process, changes }: Api, asking: Asking, boarded: Boarded, startedMs: number) {
    const { userId, name } = asking;
    oracle.answered(asking);
    if (boarded.kind === 'full' || boarded.kind === 'overloaded')
      return oracle.fail(`${name} is ${boarded.kind}`);
    if (boarded.kind === 'refused') {
      history.say(`${userId} is refused by ${process.name}: ${boarded.reason}`);
      // Where notifications are not heard, what the gate knows may be old.
      if (changes.deafMs >= startedMs || asking.could.has(boarded.reason)) return;
      return oracle.fail(
        `gate: ${userId} was refused (${boarded.reason}) where settle would say ${[...asking.could].join(' or ')}`,
      );
    }
    const { ticket, joined } = boarded;
    history.say(`${userId} is ${joined ? 'in line already' : 'in line'} with ${ticket}`);
    const known = told.get(ticket);
    if (known && known.userId !== userId) oracle.fail(`${userId} was given ${ticket} of ${known.userId}`);
    if (!known) told.set(ticket, { userId, name, by: process });
  }

  async function read(api: Api, ticket: string): Promise<Answer> {
    try {
      const { decided, userId } = await api.reader.read(ticket);
      const owner = told.get(ticket)?.userId;
      if (owner !== undefined && owner !== userId) oracle.fail(`${ticket} of ${owner} reads as ${userId}'s`);
      if (!decided || decided.status === 'failed') return 'queued';
      oracle.tell(ticket, decided);
      return 'decided';
    } catch (error) {
      if (error instanceof AppError && error.problem.code === 'ticket_lost') {
        history.say(`${ticket} is lost, says ${api.process.name}`);
        return 'lost';
      }
      if (!isExpected(error)) oracle.fail(`${ticket} was answered by a surprise: ${(error as Error).stack}`);
      return 'unknown';
    }
  }

  /** Claims until there is an outcome, as a client should: again when the place was lost or the answer a 503. */
  async function persist(name: string, userId: string): Promise<void> {
    const untilMs = nowMs() + limits.patienceMs;
    for (let nth = 0; nowMs() < untilMs; nth++) {
      const api = apiAt(nth);
      const boarded = api && (await claim(api, name, userId, true));
      if (boarded?.kind === 'refused') return;
      if (api && boarded?.kind === 'queued' && (await read(api, boarded.ticket)) === 'decided') return;
      await sleep(boarded ? 0 : limits.retryMs);
    }
    oracle.fail(`P3: ${userId} is shut out of ${name}: no outcome in ${limits.patienceMs} ms of asking`);
  }

  return { told, claim, read, persist, keyed: createKeyed(world, ask), waitMs: limits.waitMs };
}

/** What is answered 503. */
function isExpected(error: unknown): boolean {
  if (error instanceof AppError) return ['unavailable', 'overloaded'].includes(error.problem.code);
  const { code, name } = error as { code?: unknown; name?: unknown };
  return code === 'CONNECTION_CLOSED' || name === 'DeadlineError';
}
