-- what is to be published, one row a transaction, and who is online
-- depends: 0003-views

-- migrate: apply
CREATE TABLE publication (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    position bigint UNIQUE,
    stored_at timestamptz NOT NULL DEFAULT now(),
    hurried_at timestamptz,
    delivered_at timestamptz,
    reports integer NOT NULL DEFAULT 0,
    emergencies integer NOT NULL DEFAULT 0,
    device_id bigint[] NOT NULL DEFAULT '{}',
    installation integer[] NOT NULL DEFAULT '{}',
    first_sequence integer[] NOT NULL DEFAULT '{}',
    last_sequence integer[] NOT NULL DEFAULT '{}',
    quarantine_id bigint[] NOT NULL DEFAULT '{}',
    task_change_id bigint[] NOT NULL DEFAULT '{}',
    task_verdict_id bigint[] NOT NULL DEFAULT '{}',
    CHECK (delivered_at IS NULL OR position IS NOT NULL)
);
-- Large ones are moved out as they are: to compress them would cost each batch more than it saves, and the updates that
-- follow do not copy what lies outside.
ALTER TABLE publication
    ALTER COLUMN device_id SET STORAGE EXTERNAL, ALTER COLUMN installation SET STORAGE EXTERNAL,
    ALTER COLUMN first_sequence SET STORAGE EXTERNAL, ALTER COLUMN last_sequence SET STORAGE EXTERNAL;
CREATE INDEX publication_unnumbered ON publication (id) WHERE position IS NULL;
CREATE INDEX publication_undelivered ON publication (position) WHERE position IS NOT NULL AND delivered_at IS NULL;
CREATE INDEX publication_unhurried ON publication (position) WHERE position IS NOT NULL AND emergencies > 0 AND hurried_at IS NULL;
CREATE INDEX publication_delivered ON publication (delivered_at) WHERE delivered_at IS NOT NULL;
COMMENT ON TABLE publication IS 'What a transaction has left to publish: one row, written in that transaction, whatever the number of its reports (transactional outbox). A row that commits late is found late; nothing hangs on the order of ids.';
COMMENT ON COLUMN publication.id IS 'Order of the inserts, not of the commits.';
COMMENT ON COLUMN publication.position IS 'Its place in the stream, given by the one relay that leads, after the commit; null until then. Never changes: an event that is published again keeps its sequence.';
COMMENT ON COLUMN publication.stored_at IS 'Start of the transaction.';
COMMENT ON COLUMN publication.hurried_at IS 'When the broker had its emergencies on the topic of their own.';
COMMENT ON COLUMN publication.delivered_at IS 'When the broker had all its events. Set back to null to publish them again.';
COMMENT ON COLUMN publication.reports IS 'How many reports it stored.';
COMMENT ON COLUMN publication.emergencies IS 'How many of them are emergencies.';
COMMENT ON COLUMN publication.device_id IS 'Keys of the reports, as runs of consecutive numbers: the device of each run.';
COMMENT ON COLUMN publication.installation IS 'The installation of each run.';
COMMENT ON COLUMN publication.first_sequence IS 'The first number of each run.';
COMMENT ON COLUMN publication.last_sequence IS 'The last number of each run.';
COMMENT ON COLUMN publication.quarantine_id IS 'Rows that it put into quarantine.';
COMMENT ON COLUMN publication.task_change_id IS 'Changes of tasks that it made.';
COMMENT ON COLUMN publication.task_verdict_id IS 'Requests for tasks that it decided.';

CREATE TABLE event_source (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    source text NOT NULL DEFAULT '/field-gateway/' || gen_random_uuid()
);
INSERT INTO event_source DEFAULT VALUES;
COMMENT ON TABLE event_source IS 'Names this database in its events, one row. With it the id of an event is unique for ever, also beside the events of another installation.';
COMMENT ON COLUMN event_source.only_row IS 'There is one row.';
COMMENT ON COLUMN event_source.source IS 'Attribute source of every event.';

CREATE SEQUENCE publication_position;
COMMENT ON SEQUENCE publication_position IS 'The next place in the stream of events.';

CREATE SEQUENCE presence_sequence;
COMMENT ON SEQUENCE presence_sequence IS 'Puts the events of who came and went in order, over all gateways.';

CREATE TABLE presence (
    device_id bigint PRIMARY KEY,
    session bigint NOT NULL,
    since timestamptz NOT NULL DEFAULT now(),
    installation integer NOT NULL,
    transport transport NOT NULL,
    gateway text NOT NULL
);
CREATE INDEX presence_gateway ON presence (gateway);
COMMENT ON TABLE presence IS 'Devices that are online, and at which gateway. A gateway that was killed leaves its rows until it starts again.';
COMMENT ON COLUMN presence.device_id IS 'The device.';
COMMENT ON COLUMN presence.session IS 'Tells its newest session from an older one whose end is noticed later.';
COMMENT ON COLUMN presence.since IS 'When it came.';
COMMENT ON COLUMN presence.installation IS 'Installation of the handset software.';
COMMENT ON COLUMN presence.transport IS 'How it is connected.';
COMMENT ON COLUMN presence.gateway IS 'Name of the gateway process.';

CREATE VIEW relay_state AS
SELECT
    waiting.publications AS publications_waiting, waiting.reports AS reports_waiting,
    extract(epoch FROM clock_timestamp() - waiting.oldest)::float8 AS lag_seconds,
    (SELECT max(delivered_at) FROM publication WHERE delivered_at IS NOT NULL) AS last_delivered_at
FROM (
    SELECT sum(publications)::bigint AS publications, sum(reports)::bigint AS reports, min(oldest) AS oldest
    FROM (
        SELECT count(*) AS publications, coalesce(sum(reports), 0) AS reports, min(stored_at) AS oldest
        FROM publication WHERE position IS NULL
        UNION ALL
        SELECT count(*), coalesce(sum(reports), 0), min(stored_at)
        FROM publication WHERE position IS NOT NULL AND delivered_at IS NULL
    ) AS halves
) AS waiting;
COMMENT ON VIEW relay_state IS 'How far publishing is behind. lag_seconds: age of the oldest transaction that is not wholly published; null when none waits.';

-- migrate: rollback
DROP VIEW relay_state;
DROP TABLE presence;
DROP SEQUENCE presence_sequence;
DROP SEQUENCE publication_position;
DROP TABLE event_source;
DROP TABLE publication;
