-- Statements about devices. All run on primary keys.

-- name: look_up
-- Index: device_pkey, installation_pkey, report_pkey, track_pkey, quarantine's unique key; for each greeting it reads the
-- numbers above the remembered watermark, at most $4 of each table (what is archived lies below it). Again: the watermark only ever rises to what the rows
-- say. A row of installation is made only for one that has stored something, which only an admitted device can: strangers
-- who greet with made-up numbers fill no table.
WITH asked AS (
    SELECT
        device.id AS device_id, asked.installation, asked.claimed, stored_key, gateway_key,
        revoked_at IS NOT NULL AS revoked, standing, coalesce(installation.settled_through, 0) AS known
    FROM unnest($1::bigint[], $2::integer[], $3::integer[]) AS asked (device_id, installation, claimed)
    JOIN device ON device.id = asked.device_id
    LEFT JOIN installation
        ON installation.device_id = asked.device_id AND installation.installation = asked.installation
), settled AS (
    SELECT asked.*, known + run.length AS watermark
    FROM asked
    CROSS JOIN LATERAL (
        -- Numbers that follow each other without a gap have the same distance to their position.
        SELECT count(*)::integer AS length
        FROM (
            SELECT sequence, known + row_number() OVER (ORDER BY sequence) AS without_gap
            FROM (
                (SELECT sequence FROM report
                 WHERE report.device_id = asked.device_id AND report.installation = asked.installation AND sequence > known
                 ORDER BY sequence LIMIT $4)
                UNION
                (SELECT sequence FROM track
                 WHERE track.device_id = asked.device_id AND track.installation = asked.installation AND sequence > known
                 ORDER BY sequence LIMIT $4)
                UNION
                (SELECT sequence FROM quarantine
                 WHERE quarantine.device_id = asked.device_id AND quarantine.installation = asked.installation
                     AND sequence > known
                 ORDER BY sequence LIMIT $4)
            ) AS numbers
        ) AS positions
        WHERE sequence = without_gap
    ) AS run
), remembered AS (
    INSERT INTO installation (device_id, installation, settled_through)
    SELECT device_id, installation, watermark FROM settled
    WHERE watermark > 0 AND NOT revoked
    ORDER BY device_id, installation
    ON CONFLICT (device_id, installation) DO UPDATE SET
        settled_through = greatest(installation.settled_through, excluded.settled_through), last_seen_at = now()
)
SELECT
    settled.device_id, settled.installation, stored_key, gateway_key, revoked, standing, watermark, refused.sequences,
    refused.codes
FROM settled
CROSS JOIN LATERAL (
    SELECT
        coalesce(array_agg(sequence ORDER BY sequence), '{}') AS sequences,
        coalesce(array_agg(code ORDER BY sequence), '{}') AS codes
    FROM (
        SELECT DISTINCT ON (sequence) sequence, code
        FROM quarantine
        WHERE quarantine.device_id = settled.device_id AND quarantine.installation = settled.installation
            AND sequence > claimed
            -- What was accepted after all is settled and no refusal, except where two contents claim one number.
            AND (code = $6 OR NOT EXISTS (
                SELECT FROM report
                WHERE report.device_id = quarantine.device_id AND report.installation = quarantine.installation
                    AND report.sequence = quarantine.sequence
                UNION ALL
                SELECT FROM track
                WHERE track.device_id = quarantine.device_id AND track.installation = quarantine.installation
                    AND track.sequence = quarantine.sequence
                UNION ALL
                SELECT FROM installation AS past
                WHERE past.device_id = quarantine.device_id AND past.installation = quarantine.installation
                    AND past.archived_through >= quarantine.sequence AND (
                        EXISTS (
                            SELECT FROM report_archive AS old
                            WHERE old.device_id = quarantine.device_id AND old.installation = quarantine.installation
                                AND old.sequence = quarantine.sequence
                        ) OR EXISTS (
                            SELECT FROM track_archive AS old
                            WHERE old.device_id = quarantine.device_id AND old.installation = quarantine.installation
                                AND old.sequence = quarantine.sequence
                        )
                    )
            ))
        ORDER BY sequence, id DESC
        LIMIT $5
    ) AS latest
) AS refused

-- name: add
-- Again: an existing device is left as it is, and the count returned says so.
INSERT INTO device (id, stored_key, gateway_key, label, street_code)
SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::bytea[], $4::text[], $5::integer[])
ORDER BY 1
ON CONFLICT (id) DO NOTHING
RETURNING id

-- name: revoke
-- Again: the first moment stays.
UPDATE device SET revoked_at = coalesce(revoked_at, now())
WHERE id = ANY($1::bigint[])
RETURNING id

-- name: restore
-- Again: who is admitted stays so.
UPDATE device SET revoked_at = NULL
WHERE id = ANY($1::bigint[])
RETURNING id

-- name: rotate
-- All or none; what comes back is not registered, and then none was changed. Again, with the same keys: nothing changes,
-- so no session ends.
WITH asked AS (
    SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::bytea[]) AS asked (id, stored_key, gateway_key)
), unknown AS (
    SELECT id FROM asked WHERE NOT EXISTS (SELECT FROM device WHERE device.id = asked.id)
), rotated AS (
    UPDATE device SET stored_key = asked.stored_key, gateway_key = asked.gateway_key
    FROM asked
    WHERE device.id = asked.id AND NOT EXISTS (SELECT FROM unknown)
)
SELECT id FROM unknown

-- name: outdated
-- Reads only. A device that is gone has no standing.
SELECT asked.id, asked.standing
FROM unnest($1::bigint[], $2::integer[]) AS asked (id, standing)
LEFT JOIN device ON device.id = asked.id
WHERE device.standing IS DISTINCT FROM asked.standing

-- name: list
-- Reads only; in pages by number.
SELECT
    device.id, label, street_code, created_at, revoked_at, max(last_seen_at) AS last_seen_at, count(installation) AS installations
FROM device
LEFT JOIN installation ON installation.device_id = device.id
WHERE device.id > $1
GROUP BY device.id
ORDER BY device.id
LIMIT $2
