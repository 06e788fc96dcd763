import { serve } from '@hono/node-server';
import { Hono } from 'hono';

/*
 * The ceiling of HTTP on this machine: a bare route that parses the same body and answers 202.
 * Usage: node --import tsx baselines/echo.ts <port>
 */

const app = new Hono();

app.get('/health', c => c.json({ status: 'healthy' }));

app.post('/api/coupons/:name/claims', async c => {
  const { user_id } = await c.req.json<{ user_id: string }>();
  return c.json({ ticket: 'none', coupon_name: c.req.param('name'), user_id, status: 'queued' }, 202);
});

serve({ fetch: app.fetch, hostname: '127.0.0.1', port: Number(process.argv[2]) });
