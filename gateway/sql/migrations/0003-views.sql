-- views for people: readable reports, quarantine, ledger, the quarter by collection mode
-- depends: 0002-ingest

-- migrate: apply
CREATE VIEW report_readable AS
SELECT
    report.device_id, report.installation, report.sequence, report.edition,
    report.kind, report.class_code, class_code.major AS class_major, class_code.minor AS class_minor,
    report.urgency, report.simple, report.patrol,
    report.street_code, street.name AS street, street.collection, report.grid,
    (report.lat_e5 / 1e5)::numeric(8, 5) AS lat, (report.lon_e5 / 1e5)::numeric(8, 5) AS lon, report.accuracy_m,
    report.observed_at, report.description, report.pictures, report.component,
    report.transport, report.stored_at
FROM report
LEFT JOIN class_code ON class_code.edition = report.edition AND class_code.kind = report.kind
    AND class_code.code = report.class_code
LEFT JOIN street ON street.code = report.street_code;
COMMENT ON VIEW report_readable IS 'Reports with the names of class and street, the collection mode and degrees.';

CREATE VIEW quarter_by_collection AS
SELECT
    quarter_start, street.collection, count(*) AS streets,
    sum(reports)::bigint AS reports, sum(simple)::bigint AS simple, sum(inspectors)::bigint AS inspectors
FROM (
    SELECT
        date_trunc('quarter', observed_at AT TIME ZONE 'Asia/Shanghai')::date AS quarter_start, street_code,
        count(*) AS reports, count(*) FILTER (WHERE report.simple) AS simple, count(DISTINCT device_id) AS inspectors
    FROM report
    GROUP BY 1, 2
) AS by_street
LEFT JOIN street ON street.code = by_street.street_code
GROUP BY 1, 2;
COMMENT ON VIEW quarter_by_collection IS 'Reports by quarter (China time, when observed) and collection mode. An inspector who reported in two streets counts in both; a street outside the table shows as null.';

CREATE VIEW quarantine_readable AS
SELECT id, device_id, installation, sequence, code, detail, transport, received_at, frame
FROM quarantine
JOIN quarantined_frame ON digest = frame_digest;
COMMENT ON VIEW quarantine_readable IS 'Quarantine with the whole frame beside each row.';

CREATE VIEW ledger_by_day AS
SELECT
    day, gateway, transport, sum(received)::bigint AS received, sum(stored)::bigint AS stored,
    sum(duplicate)::bigint AS duplicate, sum(quarantined)::bigint AS quarantined, sum(refused)::bigint AS refused
FROM ledger
GROUP BY day, gateway, transport;
COMMENT ON VIEW ledger_by_day IS 'The ledger without its lanes.';

-- migrate: rollback
DROP VIEW ledger_by_day;
DROP VIEW quarantine_readable;
DROP VIEW quarter_by_collection;
DROP VIEW report_readable;
