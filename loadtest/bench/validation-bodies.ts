import type { Sql } from '@claimline/db/pool';

/** Bodies that are sent in turn. */
const BODIES = 100_000;

/**
 * Bodies of validations, always the same, as a shop might send them, on codes of the seeded data set: each a code drawn at random; a
 * personal one nine times out of ten for its owner; one body in 20 with a code that does not exist.
 */
export async function readBodies(sql: Sql, users: number): Promise<string[]> {
  await sql`select setseed(0.5)`;
  const rows = await sql<{ body: string }[]>`
    select json_build_object(
      'code', case when random() < 0.05 then 'NO-' || code else code end,
      'user_id', case when owner is not null and random() < 0.9 then owner
        else 'user-' || lpad((1 + floor(random() * ${users}::int))::int::text, 7, '0') end,
      'order_value', (100 + floor(random() * 20000))::int
    )::text as body
    from (
      select codes.code, assignments.user_id as owner
      from codes left join assignments on assignments.code = codes.code
      order by md5(codes.code) limit ${BODIES}
    ) drawn`;
  return rows.map(({ body }) => body);
}
