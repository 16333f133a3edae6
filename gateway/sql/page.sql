-- Statements of the page. All only read. None reads `report` but by its primary key, and none grows with it.

-- name: days
-- Index: ledger_pkey, its two ends. Reads only.
SELECT min(day) AS first, max(day) AS last FROM ledger

-- name: ledger
-- Index: ledger_pkey, by its first column: a row for each day, gateway, writer and transport. Reads only.
SELECT
    coalesce(sum(received), 0)::bigint AS received, coalesce(sum(stored), 0)::bigint AS stored,
    coalesce(sum(duplicate), 0)::bigint AS duplicate, coalesce(sum(quarantined), 0)::bigint AS quarantined,
    coalesce(sum(refused), 0)::bigint AS refused,
    coalesce(sum(stored) FILTER (WHERE day = $2), 0)::bigint AS stored_today
FROM ledger
WHERE day >= $1

-- name: newest
-- Index: publication_pkey, from its end, 200 rows; then report_pkey, one range for each run: OFFSET 0 keeps the planner from
-- reading the whole table. Reads only. Of a large transaction a few runs, spread evenly, stand for all: at most 48 runs with 4
-- reports are looked at.
WITH newest AS MATERIALIZED (
    SELECT * FROM (SELECT * FROM publication ORDER BY id DESC LIMIT 200) AS last
    WHERE reports > 0
    ORDER BY id DESC
    LIMIT 12
), run AS MATERIALIZED (
    SELECT run.*
    FROM newest
    CROSS JOIN LATERAL unnest(newest.device_id, newest.installation, newest.first_sequence, newest.last_sequence)
        WITH ORDINALITY AS run (device_id, installation, first, last, ordinal)
    WHERE (run.ordinal - 1) % (1 + (cardinality(newest.device_id) - 1) / 12) = 0
    ORDER BY newest.id DESC, run.ordinal
    LIMIT 48
)
SELECT
    report.device_id AS device, report.installation, report.sequence, report.observed_at, report.stored_at,
    report.kind::text, report.urgency::text, report.description, report.street_code, coalesce(street.name, '') AS street,
    report.class_code, coalesce(class_code.minor, '') AS class_name
FROM run
CROSS JOIN LATERAL (
    SELECT * FROM report
    WHERE report.device_id = run.device_id AND report.installation = run.installation
        AND report.sequence BETWEEN greatest(run.first, run.last - 3) AND run.last
    OFFSET 0
) AS report
LEFT JOIN street ON street.code = report.street_code
LEFT JOIN class_code ON class_code.edition = report.edition AND class_code.kind = report.kind
    AND class_code.code = report.class_code
ORDER BY report.stored_at DESC, report.observed_at DESC, report.device_id, report.sequence DESC
LIMIT 12

-- name: newest_with_emergencies
-- Index: publication_pkey, from its end, 2,000 rows. Reads only.
SELECT id FROM (SELECT id, emergencies FROM publication ORDER BY id DESC LIMIT 2000) AS last
WHERE emergencies > 0
ORDER BY id DESC
LIMIT 12

-- name: emergencies
-- Indexes: publication_pkey; report_pkey, one range for each run: OFFSET 0 as above. Reads only. One transaction.
SELECT
    report.device_id AS device, report.installation, report.sequence, report.observed_at, report.stored_at,
    report.kind::text, report.urgency::text, report.description, report.street_code, coalesce(street.name, '') AS street,
    report.class_code, coalesce(class_code.minor, '') AS class_name
FROM publication
CROSS JOIN LATERAL unnest(
    publication.device_id, publication.installation, publication.first_sequence, publication.last_sequence
) AS run (device_id, installation, first, last)
CROSS JOIN LATERAL (
    SELECT * FROM report
    WHERE report.device_id = run.device_id AND report.installation = run.installation
        AND report.sequence BETWEEN run.first AND run.last AND report.urgency = 'emergency'
    OFFSET 0
) AS report
LEFT JOIN street ON street.code = report.street_code
LEFT JOIN class_code ON class_code.edition = report.edition AND class_code.kind = report.kind
    AND class_code.code = report.class_code
WHERE publication.id = $1
ORDER BY report.observed_at DESC, report.device_id, report.sequence DESC
LIMIT 12

-- name: streets
-- Index: report_count_pkey, by its first column; `street` has 13 rows. Reads only.
SELECT
    coalesce(street.code, counted.street_code) AS code, street.name, street.lat_e5, street.lon_e5,
    street.collection::text, coalesce(counted.reports, 0)::bigint AS reports,
    coalesce(counted.emergencies, 0)::bigint AS emergencies
FROM street
FULL JOIN (
    SELECT
        street_code, sum(reports) AS reports, sum(reports) FILTER (WHERE urgency = 'emergency') AS emergencies
    FROM report_count
    WHERE observed_on BETWEEN $1 AND $2
    GROUP BY street_code
) AS counted ON counted.street_code = street.code
ORDER BY code

-- name: uncounted
-- Index: publication_uncounted, its first 2,000 rows: where nothing is counted, they are all there. Reads only.
SELECT coalesce(sum(reports), 0)::bigint AS reports
FROM (SELECT reports FROM publication WHERE NOT is_counted ORDER BY id LIMIT 2000) AS first

-- name: online_elsewhere
-- Reads the whole of `presence`: a row for each device that is online. Reads only.
SELECT count(*) AS devices FROM presence WHERE gateway <> $1

-- name: registered
-- Reads the whole of `device`: a row for each. Reads only.
SELECT count(*) AS devices FROM device WHERE revoked_at IS NULL

-- name: open_tasks
-- Index: task_live, whose condition follows from this one. Reads only.
SELECT
    count(*) FILTER (WHERE state = 'queued') AS queued, count(*) FILTER (WHERE state = 'sent') AS sent,
    count(*) FILTER (WHERE state = 'received') AS received
FROM task
WHERE NOT is_over
