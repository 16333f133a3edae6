-- what devices' links carried, what SMS would have cost, reports counted by street and day, warnings about budgets
-- depends: 0005-tasks

-- migrate: apply
CREATE TABLE traffic (
    device_id bigint NOT NULL,
    bytes_up bigint NOT NULL,
    bytes_down bigint NOT NULL,
    night_bytes bigint NOT NULL,
    kib bigint NOT NULL,
    night_kib bigint NOT NULL,
    connections integer NOT NULL,
    day date NOT NULL,
    transport transport NOT NULL,
    PRIMARY KEY (day, device_id, transport)
) WITH (fillfactor = 50);
COMMENT ON TABLE traffic IS 'What the links of devices carried, IP and TCP headers included. The gateways add to it every few seconds. The low fillfactor lets each update stay on its page.';
COMMENT ON COLUMN traffic.device_id IS 'The device.';
COMMENT ON COLUMN traffic.bytes_up IS 'Bytes from the device.';
COMMENT ON COLUMN traffic.bytes_down IS 'Bytes to the device.';
COMMENT ON COLUMN traffic.night_bytes IS 'Of both together what fell between 23:00 and 07:00 China time.';
COMMENT ON COLUMN traffic.kib IS 'Both directions in KiB begun by each connection: what an operator counts that rounds each session up.';
COMMENT ON COLUMN traffic.night_kib IS 'Of these what was begun between 23:00 and 07:00 China time.';
COMMENT ON COLUMN traffic.connections IS 'Connections begun.';
COMMENT ON COLUMN traffic.day IS 'Day in China.';
COMMENT ON COLUMN traffic.transport IS 'TCP: counted by the kernel. MQTT: calculated from a model, because the broker holds the connection.';

CREATE TABLE sms_avoided (
    device_id bigint NOT NULL,
    reports bigint NOT NULL DEFAULT 0,
    report_segments bigint NOT NULL DEFAULT 0,
    confirmation_segments bigint NOT NULL DEFAULT 0,
    tasks bigint NOT NULL DEFAULT 0,
    task_segments bigint NOT NULL DEFAULT 0,
    answers bigint NOT NULL DEFAULT 0,
    answer_segments bigint NOT NULL DEFAULT 0,
    day date NOT NULL,
    transport transport,
    UNIQUE NULLS NOT DISTINCT (day, device_id, transport)
) WITH (fillfactor = 50);
COMMENT ON TABLE sms_avoided IS 'The short messages that the old system would have needed for the same work, each report and task counted once, after the commit.';
COMMENT ON COLUMN sms_avoided.device_id IS 'The device.';
COMMENT ON COLUMN sms_avoided.reports IS 'Reports stored as new rows.';
COMMENT ON COLUMN sms_avoided.report_segments IS 'SMS segments of their texts, from the device.';
COMMENT ON COLUMN sms_avoided.confirmation_segments IS 'SMS segments of the confirmations, to the device.';
COMMENT ON COLUMN sms_avoided.tasks IS 'Tasks sent for the first time.';
COMMENT ON COLUMN sms_avoided.task_segments IS 'SMS segments of their texts, to the device.';
COMMENT ON COLUMN sms_avoided.answers IS 'Answers to tasks, late ones too.';
COMMENT ON COLUMN sms_avoided.answer_segments IS 'SMS segments of the answers, from the device.';
COMMENT ON COLUMN sms_avoided.day IS 'Day in China on which it was stored.';
COMMENT ON COLUMN sms_avoided.transport IS 'Over which transport the reports came; null for tasks and answers.';

CREATE TABLE report_count (
    reports bigint NOT NULL,
    street_code integer NOT NULL,
    observed_on date NOT NULL,
    kind report_kind NOT NULL,
    urgency report_urgency NOT NULL,
    transport transport NOT NULL,
    simple boolean NOT NULL,
    PRIMARY KEY (observed_on, street_code, kind, urgency, transport, simple)
) WITH (fillfactor = 50);
COMMENT ON TABLE report_count IS 'Reports counted after the commit, so that dashboards need not read them all. Seconds behind while reports are being stored.';
COMMENT ON COLUMN report_count.reports IS 'How many.';
COMMENT ON COLUMN report_count.street_code IS 'First nine digits of the unit grid.';
COMMENT ON COLUMN report_count.observed_on IS 'Day in China on which they were observed.';
COMMENT ON COLUMN report_count.kind IS 'Component or event.';
COMMENT ON COLUMN report_count.urgency IS 'How soon it must be dealt with.';
COMMENT ON COLUMN report_count.transport IS 'Over which transport they came first.';
COMMENT ON COLUMN report_count.simple IS '简单案件: handled on the spot.';

CREATE TABLE budget_warning (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device_id bigint,
    noticed_at timestamptz NOT NULL DEFAULT now(),
    month date NOT NULL CHECK (month = date_trunc('month', month)),
    budget numeric(38, 2) NOT NULL,
    spent numeric(38, 2) NOT NULL,
    projected numeric(38, 2) NOT NULL,
    currency text NOT NULL,
    tariff text NOT NULL,
    UNIQUE NULLS NOT DISTINCT (month, device_id)
);
COMMENT ON TABLE budget_warning IS 'Devices that were on the way to exceed their budget of a month: one row for each, published once.';
COMMENT ON COLUMN budget_warning.id IS 'Order of the warnings.';
COMMENT ON COLUMN budget_warning.device_id IS 'The device; null: all together.';
COMMENT ON COLUMN budget_warning.noticed_at IS 'When it was noticed first.';
COMMENT ON COLUMN budget_warning.month IS 'First day of the month, in China.';
COMMENT ON COLUMN budget_warning.budget IS 'What may be spent in the month.';
COMMENT ON COLUMN budget_warning.spent IS 'What was spent until then.';
COMMENT ON COLUMN budget_warning.projected IS 'What the month will cost if it goes on like this.';
COMMENT ON COLUMN budget_warning.currency IS 'ISO 4217.';
COMMENT ON COLUMN budget_warning.tariff IS 'The tariff that it was calculated with.';

ALTER TABLE publication
    ADD COLUMN budget_warning_id bigint[] NOT NULL DEFAULT '{}',
    ADD COLUMN is_counted boolean NOT NULL DEFAULT false;
CREATE INDEX publication_uncounted ON publication (id) WHERE NOT is_counted;
COMMENT ON COLUMN publication.budget_warning_id IS 'Warnings about budgets.';
COMMENT ON COLUMN publication.is_counted IS 'Whether its reports and tasks are in sms_avoided and report_count. Set in the transaction that counts them, so each is counted once.';

CREATE FUNCTION budget_warning_publish() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO publication (budget_warning_id)
    SELECT array_agg(id ORDER BY id) FROM added HAVING count(*) > 0;
    IF FOUND THEN
        PERFORM pg_notify('publication', '');
    END IF;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION budget_warning_publish() IS 'Leaves the warnings of a statement to the relay, in their transaction.';
CREATE TRIGGER budget_warning_publish AFTER INSERT ON budget_warning
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION budget_warning_publish();

-- migrate: rollback
DROP TABLE budget_warning;
DROP FUNCTION budget_warning_publish();
DROP INDEX publication_uncounted;
ALTER TABLE publication DROP COLUMN is_counted, DROP COLUMN budget_warning_id;
DROP TABLE report_count;
DROP TABLE sms_avoided;
DROP TABLE traffic;
