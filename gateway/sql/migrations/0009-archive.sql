-- old reports and tracks by month, and what keeps their numbers taken for ever
-- depends: 0008-devices

-- migrate: apply
CREATE TABLE report_archive (
    LIKE report INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING COMMENTS,
    PRIMARY KEY (device_id, installation, sequence, stored_at)
) PARTITION BY RANGE (stored_at);
COMMENT ON TABLE report_archive IS 'Reports that `gateway archive` has taken out of report, a partition for each month in China. A row stands in one of the two, never in both. What the key of a partition cannot promise, that a number is taken once in all months, the trigger report_guard_archive does.';

CREATE TABLE track_archive (
    LIKE track INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING COMMENTS,
    PRIMARY KEY (device_id, installation, sequence, stored_at)
) PARTITION BY RANGE (stored_at);
COMMENT ON TABLE track_archive IS 'Tracks that `gateway archive` has taken out of track, as in report_archive.';

ALTER TABLE installation
    ADD COLUMN archived_through integer NOT NULL DEFAULT 0,
    ADD COLUMN reports_dropped_through integer NOT NULL DEFAULT 0,
    ADD COLUMN tracks_dropped_through integer NOT NULL DEFAULT 0;
-- Empty while nothing is archived: the guard then costs a look at one page.
CREATE INDEX installation_archived ON installation (device_id, installation) WHERE archived_through > 0;
COMMENT ON COLUMN installation.archived_through IS 'No report or track above this number is in the archive. Raised in the transaction that moves the rows.';
COMMENT ON COLUMN installation.reports_dropped_through IS 'No report above this number was dropped with its month. What comes again at or below it, and is stored nowhere, may have been stored before: it is kept in quarantine.';
COMMENT ON COLUMN installation.tracks_dropped_through IS 'The same of tracks.';

-- The key of report decides among what stands there. A number that left it while a batch waited for that very key looks
-- free; this looks once more, in a snapshot of its own, after the rows are in. It guards against every writer.
CREATE FUNCTION report_guard_archive() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM installation WHERE archived_through > 0) THEN
        RETURN NULL;
    END IF;
    IF NOT EXISTS (
        SELECT FROM (SELECT device_id, installation, min(sequence) AS least FROM added GROUP BY 1, 2) AS sent
        JOIN installation AS known USING (device_id, installation)
        WHERE known.archived_through >= sent.least
    ) THEN
        RETURN NULL;
    END IF;
    IF EXISTS (
        SELECT FROM added JOIN installation AS known USING (device_id, installation)
        WHERE added.sequence <= known.archived_through AND (
            added.sequence <= known.reports_dropped_through OR EXISTS (
                SELECT FROM report_archive AS past
                WHERE past.device_id = added.device_id AND past.installation = added.installation
                    AND past.sequence = added.sequence
            )
        )
    ) THEN
        RAISE unique_violation USING MESSAGE = 'a report with this number was archived', TABLE = 'report_archive';
    END IF;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION report_guard_archive() IS 'Refuses a statement that stores a report under a number that is in the archive, or was dropped with its month.';
CREATE TRIGGER report_guard_archive AFTER INSERT ON report
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION report_guard_archive();

CREATE FUNCTION track_guard_archive() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM installation WHERE archived_through > 0) THEN
        RETURN NULL;
    END IF;
    IF NOT EXISTS (
        SELECT FROM (SELECT device_id, installation, min(sequence) AS least FROM added GROUP BY 1, 2) AS sent
        JOIN installation AS known USING (device_id, installation)
        WHERE known.archived_through >= sent.least
    ) THEN
        RETURN NULL;
    END IF;
    IF EXISTS (
        SELECT FROM added JOIN installation AS known USING (device_id, installation)
        WHERE added.sequence <= known.archived_through AND (
            added.sequence <= known.tracks_dropped_through OR EXISTS (
                SELECT FROM track_archive AS past
                WHERE past.device_id = added.device_id AND past.installation = added.installation
                    AND past.sequence = added.sequence
            )
        )
    ) THEN
        RAISE unique_violation USING MESSAGE = 'a track with this number was archived', TABLE = 'track_archive';
    END IF;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION track_guard_archive() IS 'As report_guard_archive, of tracks.';
CREATE TRIGGER track_guard_archive AFTER INSERT ON track
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION track_guard_archive();

CREATE OR REPLACE VIEW report_readable AS
SELECT
    report.device_id, report.installation, report.sequence, report.edition,
    report.kind, report.class_code, class_code.major AS class_major, class_code.minor AS class_minor,
    report.urgency, report.simple, report.patrol,
    report.street_code, street.name AS street, street.collection, report.grid,
    (report.lat_e5 / 1e5)::numeric(8, 5) AS lat, (report.lon_e5 / 1e5)::numeric(8, 5) AS lon, report.accuracy_m,
    report.observed_at, report.description, report.pictures, report.component,
    report.transport, report.stored_at
FROM (SELECT * FROM report UNION ALL SELECT * FROM report_archive) AS report
LEFT JOIN class_code ON class_code.edition = report.edition AND class_code.kind = report.kind
    AND class_code.code = report.class_code
LEFT JOIN street ON street.code = report.street_code;

CREATE OR REPLACE VIEW quarter_by_collection AS
SELECT
    quarter_start, street.collection, count(*) AS streets,
    sum(reports)::bigint AS reports, sum(simple)::bigint AS simple, sum(inspectors)::bigint AS inspectors
FROM (
    SELECT
        date_trunc('quarter', observed_at AT TIME ZONE 'Asia/Shanghai')::date AS quarter_start, street_code,
        count(*) AS reports, count(*) FILTER (WHERE report.simple) AS simple, count(DISTINCT device_id) AS inspectors
    FROM (SELECT * FROM report UNION ALL SELECT * FROM report_archive) AS report
    GROUP BY 1, 2
) AS by_street
LEFT JOIN street ON street.code = by_street.street_code
GROUP BY 1, 2;

-- migrate: rollback
DROP VIEW quarter_by_collection;
DROP VIEW report_readable;
DROP TRIGGER track_guard_archive ON track;
DROP FUNCTION track_guard_archive();
DROP TRIGGER report_guard_archive ON report;
DROP FUNCTION report_guard_archive();
DROP INDEX installation_archived;
ALTER TABLE installation
    DROP COLUMN tracks_dropped_through, DROP COLUMN reports_dropped_through, DROP COLUMN archived_through;
DROP TABLE track_archive;
DROP TABLE report_archive;
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
