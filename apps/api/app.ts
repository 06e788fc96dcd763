import { mountBookingCalls } from '@claimline/bookings/http';
import { mountClaims } from '@claimline/claims/http';
import { mountCodes } from '@claimline/codes/http';
import { openDirectory } from '@claimline/coupons';
import { mountCoupons } from '@claimline/coupons/http';
import type { Changes } from '@claimline/db/changes';
import { isTransient } from '@claimline/db/error';
import type { Sql } from '@claimline/db/pool';
import type { Transactions } from '@claimline/db/transaction';
import { createKeyCheck } from '@claimline/http/access';
import { createIdempotency } from '@claimline/http/idempotency';
import { createLoad } from '@claimline/http/load';
import { createRequestLog } from '@claimline/http/request-log';
import { createRouter } from '@claimline/http/router';
import { AppError } from '@claimline/kernel/error';
import { openProviders } from '@claimline/payments';
import { isQueueAway } from '@claimline/queue/away';
import type { Engine } from '@claimline/queue/engine';
import { mountSeatSales } from '@claimline/seats/http';
import type { Logger } from '@claimline/telemetry/log';
import { mountTickets } from '@claimline/tickets/http';
import type { UsageLog } from '@claimline/validations';
import { mountValidations } from '@claimline/validations/http';
import { complaintAboutUrl, countDeliveries, parseAllowList, type Seal } from '@claimline/webhooks';
import { mountWebhooks } from '@claimline/webhooks/http';
import type { HttpBindings } from '@hono/node-server';
import type { Config } from '../config.ts';
import { faultPoint, paymentSettings } from '../payments.ts';
import { BASE, createBoardApp } from './board.ts';
import { mountDocs } from './docs.ts';
import { mountOperations } from './operations.ts';

export type House = {
  config: Config;
  log: Logger;
  sql: Sql;
  /** For the settle statement. */
  settleSql: Sql;
  /** For the statement that validates. */
  validateSql: Sql;
  transactions: Transactions;
  changes: Changes;
  engine: Engine;
  usageLog: UsageLog;
  ticketKey: Buffer;
  /** Of webhook secrets. */
  seal: Seal;
  isReady: () => boolean;
  /** Where this process listens; null before it does. */
  address: () => string | null;
  /** Told of what fails behind no request. */
  onError: (error: unknown) => void;
};

/** Everything the API answers: each slice's calls, the reference, the operator's pages. */
export async function createApp(house: House) {
  const { config, log, sql, settleSql, validateSql, transactions, changes, engine, usageLog } = house;
  const { ticketKey, onError } = house;
  const requireKey = createKeyCheck(config.OPERATOR_KEY);
  const requestLog = createRequestLog(log);
  const load = createLoad({
    requestsMost: config.REQUESTS_IN_FLIGHT,
    waitersMost: config.REQUESTS_WAITING,
  });
  const router = createRouter({
    load,
    authorize: (c, access) => (access === 'public' ? undefined : requireKey(c)),
    idempotency: createIdempotency({ sql, transactions }),
    translate,
    observe: requestLog.observe,
  });
  const stop = new AbortController();
  const allow = parseAllowList(config.WEBHOOK_ALLOW_HOSTS ?? '');
  const directory = await openDirectory(sql, changes);
  mountCoupons(router, { sql, directory });
  const claims = await mountClaims(router, {
    sql,
    settleSql,
    changes,
    engine,
    directory,
    load,
    waitMostMs: config.CLAIM_WAIT_MS,
    ticketKey,
    callbacks: { authorize: requireKey, complaint: url => complaintAboutUrl(url, allow) },
    onError,
  });
  const { grant, issueTicket } = claims;
  mountCodes(router, { sql, grant, issueTicket, onError, stopping: stop.signal });
  mountValidations(router, { sql, validateSql, changes, record: usageLog.record });
  const waitMostMs = config.CLAIM_WAIT_MS;
  const seats = await mountSeatSales(router, { sql, changes, engine, load, waitMostMs, ticketKey });
  const notifyUrl = () => house.address() && `${house.address()}/api/payments/mock/webhook`;
  mountBookingCalls(router, {
    sql,
    providers: openProviders(sql, paymentSettings(config), notifyUrl),
    pendingSeconds: config.PAYMENT_PENDING_SECONDS,
    reach: faultPoint(config, log),
    // The answer to a booking may carry what the payer's device pays with.
    seal: {
      seal: text => house.seal.seal(Buffer.from(text), 'bookReservation'),
      open: sealed => house.seal.open(sealed, 'bookReservation').toString('utf8'),
    },
  });
  const sources = [claims.ticketSource, seats.ticketSource];
  mountTickets(router, { sources, load, translate, onError, stopping: stop.signal });
  const count = () => countDeliveries(sql);
  mountOperations(router, { sql, engine, usageLog, isReady: house.isReady, count });
  const webhooks = mountWebhooks(router, {
    sql,
    seal: house.seal,
    allow,
    totalMs: config.WEBHOOK_TIMEOUT_SECONDS * 1000,
  });
  mountDocs(router);
  const board = createBoardApp({
    engine,
    requireKey,
    isWritable: config.BOARD_WRITABLE,
    observe: requestLog.observe,
  });

  return {
    fetch: (request: Request, env: HttpBindings) =>
      env.incoming.url?.startsWith(BASE) ? board.fetch(request, env) : router.fetch(request, env),
    /** Lets everybody go who waits, with the state as it is. */
    release() {
      stop.abort(
        new AppError('unavailable', 'this process is stopping, ask again', { retryAfterSeconds: 1 }),
      );
      claims.release();
      seats.release();
    },
    closeWebhooks: webhooks.close,
  };
}

/** A store that is away is no surprise: the caller is told to come again. */
function translate(error: unknown): unknown {
  const isDatabase = isTransient(error);
  if (!isDatabase && !isQueueAway(error)) return error;
  return new AppError(
    'unavailable',
    `the ${isDatabase ? 'database' : 'queue'} cannot be reached, try again`,
    {
      retryAfterSeconds: 1,
      cause: error,
    },
  );
}
