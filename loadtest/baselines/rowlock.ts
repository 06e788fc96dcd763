import { serve } from '@hono/node-server';
import { Hono } from 'hono';
import postgres, { type Sql, type TransactionSql } from 'postgres';

/*
 * What most people build: a transaction per claim that locks the coupon's row, looks for the person, inserts
 * and decrements. It creates its two tables in a schema of its own in the database it is given.
 * Usage: node --import tsx baselines/rowlock.ts <port> <database url>
 */

const POOL_SIZE = 25;
const SCHEMA = 'rowlock';

const [port, databaseUrl] = process.argv.slice(2);
if (!port || !databaseUrl) throw new Error('usage: rowlock.ts <port> <database url>');

// Transactions run on a pool of their own: postgres.js may lose writes when begin() shares one with plain queries.
const connection = { search_path: SCHEMA };
const transactions = postgres(databaseUrl, { max: POOL_SIZE, connection });
const queries = postgres(databaseUrl, { max: 2, connection, onnotice: () => {} });

async function createTables(sql: Sql): Promise<void> {
  await sql`create schema if not exists ${sql(SCHEMA)}`;
  await sql`create table if not exists coupons (
    name text primary key, amount bigint not null, remaining_amount bigint not null check (remaining_amount >= 0)
  )`;
  await sql`create table if not exists claims (
    id bigint generated always as identity primary key,
    user_id text not null,
    coupon_name text not null references coupons (name),
    created_at timestamptz not null default now(),
    unique (user_id, coupon_name)
  )`;
}

type Outcome = 'granted' | 'coupon_not_found' | 'already_claimed' | 'sold_out';

async function claim(tx: TransactionSql, name: string, userId: string): Promise<Outcome> {
  const [coupon] = await tx<{ remaining: string }[]>`
    select remaining_amount as remaining from coupons where name = ${name} for update`;
  if (!coupon) return 'coupon_not_found';
  const held = await tx`select 1 from claims where user_id = ${userId} and coupon_name = ${name}`;
  if (held.length > 0) return 'already_claimed';
  if (Number(coupon.remaining) < 1) return 'sold_out';
  await tx`insert into claims (user_id, coupon_name) values (${userId}, ${name})`;
  await tx`update coupons set remaining_amount = remaining_amount - 1 where name = ${name}`;
  return 'granted';
}

const app = new Hono();

app.get('/health', c => c.json({ status: 'healthy' }));

app.post('/api/coupons', async c => {
  const { name, amount } = await c.req.json<{ name: string; amount: number }>();
  await queries`insert into coupons (name, amount, remaining_amount) values (${name}, ${amount}, ${amount})`;
  return c.json({ name, amount }, 201);
});

app.get('/api/coupons/:name', async c => {
  const name = c.req.param('name');
  const [coupon] = await queries<{ amount: string; remaining: string }[]>`
    select amount, remaining_amount as remaining from coupons where name = ${name}`;
  if (!coupon) return c.json({ error: 'coupon_not_found' }, 404);
  // Counted from the rows rather than from the stock, so that the exact-count check compares two sources.
  const [claims] = await queries<{ count: string }[]>`
    select count(*) as count from claims where coupon_name = ${name}`;
  return c.json({
    name,
    amount: Number(coupon.amount),
    remaining_amount: Number(coupon.remaining),
    claimed_count: Number(claims?.count ?? 0),
  });
});

app.post('/api/coupons/:name/claims', async c => {
  const { user_id } = await c.req.json<{ user_id: string }>();
  const outcome = await transactions.begin(tx => claim(tx, c.req.param('name'), user_id));
  if (outcome === 'granted') return c.json({ status: outcome }, 200);
  return c.json({ error: outcome }, outcome === 'coupon_not_found' ? 404 : 409);
});

await createTables(queries);
serve({ fetch: app.fetch, hostname: '127.0.0.1', port: Number(port) });
