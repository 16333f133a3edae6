-- Statements of the meter of traffic.

-- name: add
-- Index: traffic_pkey. Running it twice counts twice: `outcome` says whether it has to be run again.
-- Rows come sorted by key, so gateways that add to the same rows wait for each other in one order.
WITH added AS (
    INSERT INTO traffic AS old
        (day, device_id, transport, bytes_up, bytes_down, night_bytes, kib, night_kib, connections)
    SELECT * FROM unnest(
        $1::date[], $2::bigint[], $3::transport[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
        $8::bigint[], $9::integer[]
    )
    ON CONFLICT (day, device_id, transport) DO UPDATE SET
        bytes_up = old.bytes_up + excluded.bytes_up,
        bytes_down = old.bytes_down + excluded.bytes_down,
        night_bytes = old.night_bytes + excluded.night_bytes,
        kib = old.kib + excluded.kib,
        night_kib = old.night_kib + excluded.night_kib,
        connections = old.connections + excluded.connections
)
SELECT pg_current_xact_id()::text

-- name: outcome
-- No table. Reads only. Null: so long ago that the server has forgotten it.
SELECT pg_xact_status($1::text::xid8)
