-- Gives an endpoint a new secret and lets those before it go on for a while, beside it.
--
-- Params: $1 text endpoint id, $2 text the new secret, sealed, $3 int seconds of grace, $4 int most secrets in all
-- Returns: one row (previous_until), the end of the secrets before; no row for an unknown endpoint
update webhook_endpoints
set updated_at = now(),
    secrets = jsonb_build_array(jsonb_build_object('sealed', $2::text, 'until', null)) || (
      select coalesce(jsonb_agg(jsonb_build_object('sealed', secret ->> 'sealed', 'until', until) order by place), '[]')
      from (
        select secret, place, least((secret ->> 'until')::timestamptz, now() + $3::int * interval '1 second') as until
        from jsonb_array_elements(secrets) with ordinality as listed(secret, place)
        where secret ->> 'until' is null or (secret ->> 'until')::timestamptz > now()
        order by place
        limit $4::int - 1
      ) before
      where until > now()
    )
where id = $1
returning now() + $3::int * interval '1 second' as previous_until
