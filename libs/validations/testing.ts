import { closePool, openPool, type Sql } from '@claimline/db/pool';
import { createTestDatabase } from '@claimline/db/testing';
import { type Asked, judge, validateSettings } from './validate.ts';

/** A migrated database with one session as an API process validates on it. */
export async function openValidationDatabase() {
  const database = await createTestDatabase();
  const sql = openPool({ url: database.url, applicationName: 'test' });
  const validateSql = openPool({
    url: database.url,
    applicationName: 'test',
    max: 1,
    settings: validateSettings,
  });
  return {
    url: database.url,
    sql,
    validateSql,
    async close() {
      await Promise.all([closePool(sql, 1), closePool(validateSql, 1)]);
      await database.drop();
    },
  };
}

let coupons = 0;

/** A coupon of its own with the code it answers, which belongs to `owner` unless that is null. */
export async function insertCode(
  sql: Sql,
  fields: Record<string, unknown> = {},
  owner: string | null = 'ann',
): Promise<string> {
  const name = `coupon ${coupons++}`;
  const code = `CODE-${coupons}`;
  await sql`insert into coupons ${sql({ name, amount: 1, ...fields } as never)}`;
  await sql`insert into codes (code, coupon_name) values (${code}, ${name})`;
  if (owner !== null)
    await sql`
      with claim as (
        insert into claims (user_id, coupon_name) values (${owner}, ${name}) returning id
      )
      insert into assignments (claim_id, code, coupon_id, user_id)
      select claim.id, ${code}, coupons.id, ${owner} from claim, coupons where name = ${name}`;
  return code;
}

/** One validation, by ann unless said otherwise. */
export async function judgeOne(sql: Sql, asked: Partial<Asked> & { code: string }) {
  const [verdict] = await judge(sql, [
    { userId: 'ann', orderValue: 1000, orderId: null, session: null, ...asked },
  ]);
  if (!verdict) throw new Error('no verdict');
  return verdict;
}
