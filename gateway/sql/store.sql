-- Statements of the storage that are not a plain COPY.

-- name: make_report_stage
-- Private to the connection. Emptied here for the second half of a divided batch, else by the end of the transaction.
CREATE TEMPORARY TABLE IF NOT EXISTS report_stage (LIKE report INCLUDING DEFAULTS) ON COMMIT DELETE ROWS;
TRUNCATE report_stage

-- name: merge_reports
-- Index: report_pkey, and for numbers that may be archived installation_pkey and the keys of report_archive (OFFSET 0 keeps
-- them from being read whole). Again: rows that are there already, or archived, are left alone and not returned. In order of
-- key, so that two gateways with the same keys wait for each other and never in a circle.
INSERT INTO report
SELECT * FROM report_stage AS s
WHERE NOT EXISTS (
    SELECT FROM installation AS known
    WHERE known.device_id = s.device_id AND known.installation = s.installation AND s.sequence <= known.archived_through
        AND (s.sequence <= known.reports_dropped_through OR EXISTS (
            SELECT FROM report_archive AS old
            WHERE old.device_id = s.device_id AND old.installation = s.installation AND old.sequence = s.sequence
        ))
    OFFSET 0
)
ORDER BY device_id, installation, sequence
ON CONFLICT DO NOTHING
RETURNING device_id, installation, sequence

-- name: compare_reports
-- Index: report_pkey, once for each row asked for: OFFSET 0 forbids the planner to read the whole table, which it would
-- prefer as it knows nothing of the stage; the keys of report_archive for numbers that may stand there. Reads only. A number
-- of a month that was dropped differs: nobody can say any more what it held.
SELECT
    s.device_id, s.installation, s.sequence,
    CASE
        WHEN r.device_id IS NOT NULL THEN
            (s.edition, s.observed_at, s.kind, s.class_code, s.urgency, s.simple, s.patrol, s.grid, s.lat_e5, s.lon_e5,
            s.accuracy_m, s.description, s.pictures, s.component)
            IS DISTINCT FROM
            (r.edition, r.observed_at, r.kind, r.class_code, r.urgency, r.simple, r.patrol, r.grid, r.lat_e5, r.lon_e5,
            r.accuracy_m, r.description, r.pictures, r.component)
        ELSE (
            SELECT s.sequence <= known.reports_dropped_through FROM installation AS known
            WHERE known.device_id = s.device_id AND known.installation = s.installation
        )
    END AS differs
FROM unnest($1::bigint[], $2::integer[], $3::integer[]) AS asked (device_id, installation, sequence)
JOIN report_stage AS s USING (device_id, installation, sequence)
LEFT JOIN LATERAL (
    SELECT * FROM report
    WHERE report.device_id = s.device_id AND report.installation = s.installation AND report.sequence = s.sequence
    UNION ALL
    SELECT old.* FROM installation AS known JOIN report_archive AS old USING (device_id, installation)
    WHERE known.device_id = s.device_id AND known.installation = s.installation AND s.sequence <= known.archived_through
        AND old.sequence = s.sequence
    OFFSET 0
) AS r ON true

-- name: make_track_stage
-- As make_report_stage.
CREATE TEMPORARY TABLE IF NOT EXISTS track_stage (LIKE track INCLUDING DEFAULTS) ON COMMIT DELETE ROWS;
TRUNCATE track_stage

-- name: merge_tracks
-- Index: track_pkey. Again: as merge_reports.
INSERT INTO track
SELECT * FROM track_stage AS s
WHERE NOT EXISTS (
    SELECT FROM installation AS known
    WHERE known.device_id = s.device_id AND known.installation = s.installation AND s.sequence <= known.archived_through
        AND (s.sequence <= known.tracks_dropped_through OR EXISTS (
            SELECT FROM track_archive AS old
            WHERE old.device_id = s.device_id AND old.installation = s.installation AND old.sequence = s.sequence
        ))
    OFFSET 0
)
ORDER BY device_id, installation, sequence
ON CONFLICT DO NOTHING
RETURNING device_id, installation, sequence

-- name: compare_tracks
-- Index: track_pkey. As compare_reports.
SELECT
    s.device_id, s.installation, s.sequence,
    CASE
        WHEN r.device_id IS NOT NULL THEN
            (s.edition, s.observed_at, s.lat_e5, s.lon_e5, s.accuracy_m)
            IS DISTINCT FROM (r.edition, r.observed_at, r.lat_e5, r.lon_e5, r.accuracy_m)
        ELSE (
            SELECT s.sequence <= known.tracks_dropped_through FROM installation AS known
            WHERE known.device_id = s.device_id AND known.installation = s.installation
        )
    END AS differs
FROM unnest($1::bigint[], $2::integer[], $3::integer[]) AS asked (device_id, installation, sequence)
JOIN track_stage AS s USING (device_id, installation, sequence)
LEFT JOIN LATERAL (
    SELECT * FROM track
    WHERE track.device_id = s.device_id AND track.installation = s.installation AND track.sequence = s.sequence
    UNION ALL
    SELECT old.* FROM installation AS known JOIN track_archive AS old USING (device_id, installation)
    WHERE known.device_id = s.device_id AND known.installation = s.installation AND s.sequence <= known.archived_through
        AND old.sequence = s.sequence
    OFFSET 0
) AS r ON true

-- name: quarantine
-- Index: quarantine's unique key and quarantined_frame_pkey. Again: the same thing of the same installation makes no second
-- row, and a frame is kept only for a new row, once. Returns the new rows.
WITH incoming AS (
    SELECT *
    FROM unnest($1::bigint[], $2::integer[], $3::integer[], $4::transport[], $5::smallint[], $6::bytea[], $7::bytea[], $8::text[])
        AS t (device_id, installation, sequence, transport, code, distinct_by, frame_digest, detail)
    ORDER BY device_id, installation, sequence, code, distinct_by
), kept AS (
    INSERT INTO quarantine (device_id, installation, sequence, transport, code, distinct_by, frame_digest, detail)
    SELECT * FROM incoming
    ON CONFLICT DO NOTHING
    RETURNING id, frame_digest
), frames AS (
    INSERT INTO quarantined_frame (digest, frame)
    SELECT * FROM unnest($9::bytea[], $10::bytea[]) AS f (digest, frame)
    WHERE digest IN (SELECT frame_digest FROM kept)
    ORDER BY digest
    ON CONFLICT DO NOTHING
)
SELECT id FROM kept ORDER BY id

-- name: finish
-- Index: ledger_pkey. Not harmless to repeat: runs in the transaction whose verdicts it counts, so that all happens or
-- nothing. The lane keeps writers of one gateway off each other's row. What is left to publish takes one row, if there is
-- any. Emergencies alone, as the writer that they have to themselves commits them, wake the relay, wherever it is; all else
-- it finds by itself, because each NOTIFY makes commits wait for each other. One statement, because each costs every batch
-- a round trip.
WITH counted AS (
    INSERT INTO ledger (day, gateway, lane, transport, received, stored, duplicate, quarantined, refused)
    SELECT (now() AT TIME ZONE 'Asia/Shanghai')::date, $1, $2, *
    FROM unnest($3::transport[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[])
    ON CONFLICT (day, gateway, lane, transport) DO UPDATE SET
        received = ledger.received + excluded.received,
        stored = ledger.stored + excluded.stored,
        duplicate = ledger.duplicate + excluded.duplicate,
        quarantined = ledger.quarantined + excluded.quarantined,
        refused = ledger.refused + excluded.refused
)
INSERT INTO publication
    (reports, emergencies, device_id, installation, first_sequence, last_sequence, quarantine_id)
SELECT $9, $10, $11::bigint[], $12::integer[], $13::integer[], $14::integer[], $15::bigint[]
WHERE $9 > 0 OR cardinality($15::bigint[]) > 0
RETURNING CASE WHEN emergencies > 0 AND emergencies = reports THEN pg_notify('publication', '') END

-- name: is_ready
-- Catalogue only. Reads only.
SELECT current_setting('transaction_read_only') = 'off' AND to_regclass('report') IS NOT NULL
