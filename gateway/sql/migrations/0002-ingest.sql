-- devices, reports, tracks, quarantine and ledger
-- depends: 0001-reference

-- migrate: apply
CREATE TYPE report_urgency AS ENUM ('ordinary', 'difficult', 'emergency');
COMMENT ON TYPE report_urgency IS 'How soon it must be dealt with: 一般, 疑难, 突发.';

CREATE TYPE patrol_kind AS ENUM ('routine', 'special', 'hotline');
COMMENT ON TYPE patrol_kind IS 'On which round it was found: 日常巡查, 专项巡查, 热线核实.';

CREATE TYPE transport AS ENUM ('tcp', 'mqtt');
COMMENT ON TYPE transport IS 'Over which transport a frame came.';

CREATE TABLE device (
    id bigint PRIMARY KEY CHECK (id BETWEEN 1 AND 9007199254740991),
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz,
    street_code integer,
    stored_key bytea NOT NULL CHECK (length(stored_key) = 16),
    gateway_key bytea NOT NULL CHECK (length(gateway_key) = 16),
    label text NOT NULL DEFAULT ''
);
COMMENT ON TABLE device IS 'Handsets that may report. Never deleted: reports refer to them by number.';
COMMENT ON COLUMN device.id IS 'Device number, 1 to 2^53 - 1: an IMEI fits.';
COMMENT ON COLUMN device.created_at IS 'When it was added.';
COMMENT ON COLUMN device.revoked_at IS 'Since when it is refused; null while it is admitted.';
COMMENT ON COLUMN device.street_code IS 'The street whose inspectors use it, where known.';
COMMENT ON COLUMN device.stored_key IS 'Checks the proof of the device; cannot be turned back into its secret.';
COMMENT ON COLUMN device.gateway_key IS 'With it the gateway proves itself to the device.';
COMMENT ON COLUMN device.label IS 'For people: a name or inventory number.';

CREATE TABLE installation (
    device_id bigint NOT NULL REFERENCES device,
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    installation integer NOT NULL,
    settled_through integer NOT NULL DEFAULT 0,
    PRIMARY KEY (device_id, installation)
);
COMMENT ON TABLE installation IS 'Installations of the handset software that have stored something and greeted.';
COMMENT ON COLUMN installation.device_id IS 'The device.';
COMMENT ON COLUMN installation.first_seen_at IS 'First greeting after something was stored.';
COMMENT ON COLUMN installation.last_seen_at IS 'Latest greeting, looked up before its proof is checked.';
COMMENT ON COLUMN installation.installation IS 'Drawn at random when the handset is set up, wiped or restored.';
COMMENT ON COLUMN installation.settled_through IS 'All sequence numbers from 1 to this one are stored or in quarantine. A memory of what the rows say: it may lag, never lead.';

CREATE TABLE report (
    device_id bigint NOT NULL,
    grid bigint NOT NULL,
    observed_at timestamptz NOT NULL,
    stored_at timestamptz NOT NULL DEFAULT now(),
    installation integer NOT NULL,
    sequence integer NOT NULL CHECK (sequence > 0),
    class_code integer NOT NULL,
    street_code integer NOT NULL,
    lat_e5 integer NOT NULL,
    lon_e5 integer NOT NULL,
    accuracy_m integer NOT NULL,
    kind report_kind NOT NULL,
    urgency report_urgency NOT NULL,
    patrol patrol_kind NOT NULL,
    transport transport NOT NULL,
    edition smallint NOT NULL,
    pictures smallint NOT NULL,
    component bigint,
    simple boolean NOT NULL,
    description text NOT NULL,
    PRIMARY KEY (device_id, installation, sequence)
);
COMMENT ON TABLE report IS 'Inspectors'' reports, each once for ever: the primary key decides what is a repetition. Columns stand in order of width, so that no byte is lost to alignment. No foreign keys and no further index: the rate of storing depends on it.';
COMMENT ON COLUMN report.device_id IS 'The device that sent it.';
COMMENT ON COLUMN report.grid IS 'Whole unit-grid identity as the handset gave it.';
COMMENT ON COLUMN report.observed_at IS 'When it was observed, by the clock of the handset.';
COMMENT ON COLUMN report.stored_at IS 'Start of the transaction that stored it.';
COMMENT ON COLUMN report.installation IS 'Installation of the handset software.';
COMMENT ON COLUMN report.sequence IS 'Number within the installation, shared with tracks.';
COMMENT ON COLUMN report.class_code IS 'Class code as a number, within edition and kind.';
COMMENT ON COLUMN report.street_code IS 'First nine digits of the unit grid.';
COMMENT ON COLUMN report.lat_e5 IS 'Latitude in 1e-5 degree.';
COMMENT ON COLUMN report.lon_e5 IS 'Longitude in 1e-5 degree.';
COMMENT ON COLUMN report.accuracy_m IS 'Accuracy of the position in metres as the handset states it; 65535 means no fix.';
COMMENT ON COLUMN report.kind IS 'Component or event.';
COMMENT ON COLUMN report.urgency IS 'How soon it must be dealt with.';
COMMENT ON COLUMN report.patrol IS 'On which round it was found.';
COMMENT ON COLUMN report.transport IS 'Over which transport it came first.';
COMMENT ON COLUMN report.edition IS 'Edition of the code tables.';
COMMENT ON COLUMN report.pictures IS 'How many pictures belong to it.';
COMMENT ON COLUMN report.component IS 'Whole component identity, where there is one.';
COMMENT ON COLUMN report.simple IS '简单案件: handled on the spot.';
COMMENT ON COLUMN report.description IS 'The inspector''s words, up to 500 characters.';

CREATE TABLE track (
    device_id bigint NOT NULL,
    stored_at timestamptz NOT NULL DEFAULT now(),
    installation integer NOT NULL,
    sequence integer NOT NULL CHECK (sequence > 0),
    transport transport NOT NULL,
    edition smallint NOT NULL,
    observed_at timestamptz[] NOT NULL,
    lat_e5 integer[] NOT NULL,
    lon_e5 integer[] NOT NULL,
    accuracy_m integer[] NOT NULL,
    PRIMARY KEY (device_id, installation, sequence)
);
COMMENT ON TABLE track IS 'Position tracks, one row for each as it was sent; the four arrays are of equal length. One row a point would cost 60 bytes for 20.';
COMMENT ON COLUMN track.device_id IS 'The device that sent it.';
COMMENT ON COLUMN track.stored_at IS 'Start of the transaction that stored it.';
COMMENT ON COLUMN track.installation IS 'Installation of the handset software.';
COMMENT ON COLUMN track.sequence IS 'Number within the installation, shared with reports.';
COMMENT ON COLUMN track.transport IS 'Over which transport it came first.';
COMMENT ON COLUMN track.edition IS 'Edition of the code tables that the origin of positions comes from.';
COMMENT ON COLUMN track.observed_at IS 'When the device was there, by its clock.';
COMMENT ON COLUMN track.lat_e5 IS 'Latitudes in 1e-5 degree.';
COMMENT ON COLUMN track.lon_e5 IS 'Longitudes in 1e-5 degree.';
COMMENT ON COLUMN track.accuracy_m IS 'Accuracies in metres.';

CREATE TABLE quarantined_frame (
    digest bytea PRIMARY KEY,
    frame bytea NOT NULL
);
COMMENT ON TABLE quarantined_frame IS 'Whole frames that something in quarantine came in. Apart from quarantine, because one frame can hold 255 reports: kept beside each they would take 255 times the room, and a faulty handset could fill the disk.';
COMMENT ON COLUMN quarantined_frame.digest IS 'BLAKE2b-128 of the frame.';
COMMENT ON COLUMN quarantined_frame.frame IS 'The body of the frame as it was received.';

CREATE TABLE quarantine (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device_id bigint NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    installation integer NOT NULL,
    sequence integer,
    transport transport NOT NULL,
    code smallint NOT NULL,
    distinct_by bytea NOT NULL,
    frame_digest bytea NOT NULL REFERENCES quarantined_frame DEFERRABLE INITIALLY IMMEDIATE,
    detail text NOT NULL,
    UNIQUE NULLS NOT DISTINCT (device_id, installation, sequence, code, distinct_by)
);
COMMENT ON TABLE quarantine IS 'What came from a known device and could not be accepted, with its reason. The unique key makes sending it again harmless, and finds what stands above a sequence number when a device greets.';
COMMENT ON COLUMN quarantine.id IS 'Order of arrival.';
COMMENT ON COLUMN quarantine.device_id IS 'The device that sent it.';
COMMENT ON COLUMN quarantine.received_at IS 'When it came first.';
COMMENT ON COLUMN quarantine.installation IS 'Installation of the handset software.';
COMMENT ON COLUMN quarantine.sequence IS 'Sequence number; null where it could not be read.';
COMMENT ON COLUMN quarantine.transport IS 'Over which transport it came first.';
COMMENT ON COLUMN quarantine.code IS 'The refusal code that the device was told.';
COMMENT ON COLUMN quarantine.distinct_by IS 'What else tells two rows apart: a digest of the content where another content is stored under the number, a digest of the frame where there is no number or only a guess at one, else empty.';
COMMENT ON COLUMN quarantine.frame_digest IS 'The frame that it came in.';
COMMENT ON COLUMN quarantine.detail IS 'The reason in words, for people.';

CREATE TABLE ledger (
    received bigint NOT NULL DEFAULT 0,
    stored bigint NOT NULL DEFAULT 0,
    duplicate bigint NOT NULL DEFAULT 0,
    quarantined bigint NOT NULL DEFAULT 0,
    refused bigint NOT NULL DEFAULT 0,
    day date NOT NULL,
    transport transport NOT NULL,
    lane smallint NOT NULL,
    gateway text NOT NULL,
    PRIMARY KEY (day, gateway, lane, transport)
) WITH (fillfactor = 20);
COMMENT ON TABLE ledger IS 'What became of everything received: received = stored + duplicate + quarantined + refused, written in the transaction of each batch. The low fillfactor lets each update stay on its page.';
COMMENT ON COLUMN ledger.received IS 'Reports, tracks and refused frames received, repetitions included.';
COMMENT ON COLUMN ledger.stored IS 'Of these stored as new rows.';
COMMENT ON COLUMN ledger.duplicate IS 'Of these stored before with the same content.';
COMMENT ON COLUMN ledger.quarantined IS 'Of these kept in quarantine, now or before.';
COMMENT ON COLUMN ledger.refused IS 'Of these refused without being kept, because no device answers for them or they should be sent again.';
COMMENT ON COLUMN ledger.day IS 'Day in China, where there is one time zone.';
COMMENT ON COLUMN ledger.transport IS 'Over which transport they came.';
COMMENT ON COLUMN ledger.lane IS 'Which of the gateway''s writers: two batches never wait for each other''s row.';
COMMENT ON COLUMN ledger.gateway IS 'Name of the gateway process, from its settings.';

-- migrate: rollback
DROP TABLE ledger;
DROP TABLE quarantine;
DROP TABLE quarantined_frame;
DROP TABLE track;
DROP TABLE report;
DROP TABLE installation;
DROP TABLE device;
DROP TYPE transport;
DROP TYPE patrol_kind;
DROP TYPE report_urgency;
