-- tasks for handsets: requests, tasks, every change of them, and what may change into what
-- depends: 0004-publication

-- migrate: apply
CREATE TYPE task_kind AS ENUM ('verify', 'check', 'notice');
COMMENT ON TYPE task_kind IS 'What is asked: 核实 (does it exist), 核查 (was it repaired), a text to read.';

CREATE TYPE task_state AS ENUM ('queued', 'sent', 'received', 'answered', 'expired', 'cancelled', 'superseded');
COMMENT ON TYPE task_state IS 'Where a task stands. What may follow what stands in task_transition.';

CREATE TYPE task_answer AS ENUM ('unable', 'exists', 'absent', 'passed', 'failed');
COMMENT ON TYPE task_answer IS 'What the inspector found. Which suits which kind stands in task_kind_answer.';

CREATE TYPE task_action AS ENUM ('request', 'cancel');
COMMENT ON TYPE task_action IS 'What a workflow service asked for.';

CREATE TABLE task_transition (
    kind task_kind NOT NULL,
    previous task_state NOT NULL,
    state task_state NOT NULL,
    PRIMARY KEY (kind, previous, state)
);
COMMENT ON TABLE task_transition IS 'Which state may follow which: the whole list. Cannot be changed but by a migration.';
COMMENT ON COLUMN task_transition.kind IS 'Kind of the task.';
COMMENT ON COLUMN task_transition.previous IS 'The state before.';
COMMENT ON COLUMN task_transition.state IS 'A state that may follow. From received back to sent: the handset was wiped, and its new installation gets the task again.';
INSERT INTO task_transition (kind, previous, state) VALUES
    ('verify', 'queued', 'sent'), ('verify', 'queued', 'expired'), ('verify', 'queued', 'cancelled'), ('verify', 'queued', 'superseded'),
    ('verify', 'sent', 'received'), ('verify', 'sent', 'expired'), ('verify', 'sent', 'cancelled'), ('verify', 'sent', 'superseded'),
    ('verify', 'received', 'sent'), ('verify', 'received', 'answered'), ('verify', 'received', 'expired'), ('verify', 'received', 'cancelled'), ('verify', 'received', 'superseded'),
    ('check', 'queued', 'sent'), ('check', 'queued', 'expired'), ('check', 'queued', 'cancelled'), ('check', 'queued', 'superseded'),
    ('check', 'sent', 'received'), ('check', 'sent', 'expired'), ('check', 'sent', 'cancelled'), ('check', 'sent', 'superseded'),
    ('check', 'received', 'sent'), ('check', 'received', 'answered'), ('check', 'received', 'expired'), ('check', 'received', 'cancelled'), ('check', 'received', 'superseded'),
    ('notice', 'queued', 'sent'), ('notice', 'queued', 'expired'), ('notice', 'queued', 'cancelled'), ('notice', 'queued', 'superseded'),
    ('notice', 'sent', 'received'), ('notice', 'sent', 'expired'), ('notice', 'sent', 'cancelled'), ('notice', 'sent', 'superseded');

CREATE TABLE task_kind_answer (
    kind task_kind NOT NULL,
    answer task_answer NOT NULL,
    PRIMARY KEY (kind, answer)
);
COMMENT ON TABLE task_kind_answer IS 'Which answer suits which kind. Cannot be changed but by a migration.';
COMMENT ON COLUMN task_kind_answer.kind IS 'Kind of the task.';
COMMENT ON COLUMN task_kind_answer.answer IS 'An answer that it takes. A notice takes none.';
INSERT INTO task_kind_answer (kind, answer) VALUES
    ('verify', 'unable'), ('verify', 'exists'), ('verify', 'absent'),
    ('check', 'unable'), ('check', 'passed'), ('check', 'failed');

CREATE TABLE task_request (
    id text PRIMARY KEY CHECK (id ~ '^[A-Za-z0-9._:-]{1,64}$'),
    target_device bigint,
    grid bigint,
    requested_at timestamptz NOT NULL DEFAULT now(),
    not_before timestamptz,
    expires_at timestamptz NOT NULL,
    target_street integer,
    lat_e5 integer,
    lon_e5 integer,
    kind task_kind NOT NULL,
    text text NOT NULL CHECK (length(text) BETWEEN 1 AND 500),
    case_number text NOT NULL CHECK (length(case_number) <= 64),
    supersedes text REFERENCES task_request,
    pictures text[] NOT NULL CHECK (cardinality(pictures) <= 9 AND length(array_to_string(pictures, '')) <= 9 * 256),
    CHECK (grid BETWEEN 1 AND 999999999999999),
    CHECK (lat_e5 BETWEEN -9000000 AND 9000000 AND lon_e5 BETWEEN -18000000 AND 18000000),
    CHECK (num_nonnulls(target_device, target_street) <= 1),
    CHECK ((lat_e5 IS NULL) = (lon_e5 IS NULL)),
    CHECK (not_before IS NULL OR not_before < expires_at)
);
COMMENT ON TABLE task_request IS 'What workflow services asked for, each id once: asking twice with the same content makes nothing new. Never changed.';
COMMENT ON COLUMN task_request.id IS 'Chosen by the asker.';
COMMENT ON COLUMN task_request.target_device IS 'The one device that it is for. This and target_street null: all devices.';
COMMENT ON COLUMN task_request.grid IS 'Unit grid, where one is named.';
COMMENT ON COLUMN task_request.requested_at IS 'Start of the transaction that accepted it.';
COMMENT ON COLUMN task_request.not_before IS 'Not to be sent before this; null: at once.';
COMMENT ON COLUMN task_request.expires_at IS 'From here on it is over, done or not.';
COMMENT ON COLUMN task_request.target_street IS 'The street all of whose devices it is for.';
COMMENT ON COLUMN task_request.lat_e5 IS 'Latitude in 1e-5 degree, where one is named.';
COMMENT ON COLUMN task_request.lon_e5 IS 'Longitude in 1e-5 degree.';
COMMENT ON COLUMN task_request.kind IS 'What is asked.';
COMMENT ON COLUMN task_request.text IS 'What the inspector reads.';
COMMENT ON COLUMN task_request.case_number IS 'Of the workflow service; may be empty.';
COMMENT ON COLUMN task_request.supersedes IS 'The earlier request whose open tasks end with this one.';
COMMENT ON COLUMN task_request.pictures IS 'Addresses to fetch them from.';

CREATE TABLE task (
    number bigint GENERATED ALWAYS AS IDENTITY (MAXVALUE 9007199254740991) PRIMARY KEY,
    device_id bigint NOT NULL REFERENCES device,
    issued_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    next_try_at timestamptz,
    sent_at timestamptz,
    received_at timestamptz,
    answered_at timestamptz,
    withdrawal_noted_at timestamptz,
    installation integer,
    attempts integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    kind task_kind NOT NULL,
    state task_state NOT NULL DEFAULT 'queued',
    answer task_answer,
    is_over boolean NOT NULL GENERATED ALWAYS AS (
        state = 'answered' OR state = 'expired' OR state = 'cancelled' OR state = 'superseded'
        OR (kind = 'notice' AND state = 'received')
    ) STORED,
    request text NOT NULL REFERENCES task_request,
    answer_text text,
    superseded_by text,
    UNIQUE (request, device_id),
    FOREIGN KEY (kind, answer) REFERENCES task_kind_answer (kind, answer),
    CHECK ((state = 'answered') = (answer IS NOT NULL)),
    CHECK (num_nonnulls(answer, answer_text, answered_at) IN (0, 3)),
    CHECK ((state = 'superseded') = (superseded_by IS NOT NULL))
);
CREATE INDEX task_due ON task (device_id, next_try_at) WHERE next_try_at IS NOT NULL;
CREATE INDEX task_live ON task (device_id) WHERE NOT is_over OR next_try_at IS NOT NULL;
CREATE INDEX task_expiry ON task (expires_at) WHERE NOT is_over OR next_try_at IS NOT NULL;
COMMENT ON TABLE task IS 'One task of one device. Its state is changed by rules of the database itself: task_transition. Every change is kept in task_change. Never deleted.';
COMMENT ON COLUMN task.number IS 'As the handset knows it, 1 to 2^53 - 1.';
COMMENT ON COLUMN task.device_id IS 'Whose task it is; nobody else sees it.';
COMMENT ON COLUMN task.issued_at IS 'When it was made.';
COMMENT ON COLUMN task.expires_at IS 'From here on it is over and is not sent any more; of its request.';
COMMENT ON COLUMN task.next_try_at IS 'When it, or its withdrawal, is due to be sent; null: there is nothing to send.';
COMMENT ON COLUMN task.sent_at IS 'When it was sent last; null: never. A handset that was never sent it cannot answer it.';
COMMENT ON COLUMN task.received_at IS 'When the handset said that it has it.';
COMMENT ON COLUMN task.answered_at IS 'When the inspector answered, by the clock of the handset.';
COMMENT ON COLUMN task.withdrawal_noted_at IS 'When the handset said that it does not show it any more.';
COMMENT ON COLUMN task.installation IS 'The installation of the handset software that it was sent to last.';
COMMENT ON COLUMN task.attempts IS 'How often it, and its withdrawal, were sent.';
COMMENT ON COLUMN task.kind IS 'What is asked; of its request.';
COMMENT ON COLUMN task.state IS 'Where it stands.';
COMMENT ON COLUMN task.answer IS 'What the inspector found.';
COMMENT ON COLUMN task.is_over IS 'Whether the state is final.';
COMMENT ON COLUMN task.request IS 'The request that made it.';
COMMENT ON COLUMN task.answer_text IS 'The inspector''s words; may be empty.';
COMMENT ON COLUMN task.superseded_by IS 'The request whose task takes its place.';

CREATE TABLE task_change (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    task bigint NOT NULL REFERENCES task,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    answered_at timestamptz,
    previous task_state,
    state task_state NOT NULL,
    answer task_answer,
    late_answer boolean NOT NULL DEFAULT false,
    answer_text text,
    superseded_by text
);
CREATE INDEX task_change_task ON task_change (task);
CREATE UNIQUE INDEX task_change_late ON task_change (task, answer, answered_at, answer_text) WHERE late_answer;
COMMENT ON TABLE task_change IS 'Every change of every task, written by the database itself, and answers that came too late. Never changed, never deleted.';
COMMENT ON COLUMN task_change.id IS 'Order of the changes.';
COMMENT ON COLUMN task_change.task IS 'The task.';
COMMENT ON COLUMN task_change.at IS 'When.';
COMMENT ON COLUMN task_change.answered_at IS 'When the inspector answered, by the clock of the handset.';
COMMENT ON COLUMN task_change.previous IS 'The state before; null for a new task; of a late answer the same as state.';
COMMENT ON COLUMN task_change.state IS 'The state since then.';
COMMENT ON COLUMN task_change.answer IS 'The answer that came.';
COMMENT ON COLUMN task_change.late_answer IS 'The task was over when this answer came; it did not become the answer.';
COMMENT ON COLUMN task_change.answer_text IS 'The inspector''s words.';
COMMENT ON COLUMN task_change.superseded_by IS 'The request whose task takes its place.';

CREATE TABLE task_verdict (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    tasks integer NOT NULL DEFAULT 0,
    action task_action NOT NULL,
    accepted boolean NOT NULL,
    repeated boolean NOT NULL DEFAULT false,
    request text NOT NULL,
    reason text,
    asker_reason text,
    CHECK (accepted = (reason IS NULL))
);
CREATE INDEX task_verdict_request ON task_verdict (request);
COMMENT ON TABLE task_verdict IS 'What became of every request and cancellation, also of those that were refused.';
COMMENT ON COLUMN task_verdict.id IS 'Order of the verdicts.';
COMMENT ON COLUMN task_verdict.at IS 'When.';
COMMENT ON COLUMN task_verdict.tasks IS 'How many tasks were made or cancelled.';
COMMENT ON COLUMN task_verdict.action IS 'Request or cancellation.';
COMMENT ON COLUMN task_verdict.accepted IS 'Whether it was done, now or before.';
COMMENT ON COLUMN task_verdict.repeated IS 'It was done before; nothing was done now.';
COMMENT ON COLUMN task_verdict.request IS 'Id of the request; empty where it could not be read.';
COMMENT ON COLUMN task_verdict.reason IS 'Why it was refused, for people; null when accepted.';
COMMENT ON COLUMN task_verdict.asker_reason IS 'Why the asker cancels, in its words.';

CREATE FUNCTION task_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of % is not allowed', TG_OP, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
COMMENT ON FUNCTION task_refuse() IS 'Refuses whatever it is called for.';
CREATE TRIGGER task_refuse BEFORE DELETE OR TRUNCATE ON task FOR EACH STATEMENT EXECUTE FUNCTION task_refuse();
CREATE TRIGGER task_refuse BEFORE UPDATE OR DELETE OR TRUNCATE ON task_change FOR EACH STATEMENT EXECUTE FUNCTION task_refuse();
CREATE TRIGGER task_refuse BEFORE UPDATE OR DELETE OR TRUNCATE ON task_verdict FOR EACH STATEMENT EXECUTE FUNCTION task_refuse();
CREATE TRIGGER task_refuse BEFORE UPDATE OR DELETE OR TRUNCATE ON task_request FOR EACH STATEMENT EXECUTE FUNCTION task_refuse();
CREATE TRIGGER task_refuse BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON task_transition FOR EACH STATEMENT EXECUTE FUNCTION task_refuse();
CREATE TRIGGER task_refuse BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON task_kind_answer FOR EACH STATEMENT EXECUTE FUNCTION task_refuse();

CREATE FUNCTION task_check_insert() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state <> 'queued' THEN
        RAISE EXCEPTION 'a task begins as queued, not as %', NEW.state USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
COMMENT ON FUNCTION task_check_insert() IS 'Holds a new task to the first state.';
CREATE TRIGGER task_check_insert BEFORE INSERT ON task FOR EACH ROW EXECUTE FUNCTION task_check_insert();

CREATE FUNCTION task_check_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.number, NEW.device_id, NEW.issued_at, NEW.expires_at, NEW.kind, NEW.request)
        IS DISTINCT FROM (OLD.number, OLD.device_id, OLD.issued_at, OLD.expires_at, OLD.kind, OLD.request)
    THEN
        RAISE EXCEPTION 'task %: what it is does not change', OLD.number USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.state = OLD.state THEN
        IF (NEW.answer, NEW.answer_text, NEW.answered_at, NEW.superseded_by)
            IS DISTINCT FROM (OLD.answer, OLD.answer_text, OLD.answered_at, OLD.superseded_by)
        THEN
            RAISE EXCEPTION 'task %: how it ended does not change', OLD.number USING ERRCODE = 'restrict_violation';
        END IF;
    ELSIF NOT EXISTS (
        SELECT FROM task_transition
        WHERE kind = OLD.kind AND previous = OLD.state AND state = NEW.state
    ) THEN
        RAISE EXCEPTION 'task %: a % does not go from % to %', OLD.number, OLD.kind, OLD.state, NEW.state
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
COMMENT ON FUNCTION task_check_update() IS 'Holds every change of a task to task_transition.';
CREATE TRIGGER task_check_update BEFORE UPDATE ON task FOR EACH ROW EXECUTE FUNCTION task_check_update();

CREATE FUNCTION task_record_insert() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO task_change (task, state) SELECT number, state FROM added ORDER BY number;
    PERFORM pg_notify('task', '');
    RETURN NULL;
END $$;
COMMENT ON FUNCTION task_record_insert() IS 'Keeps that tasks were made, and wakes the gateways.';
CREATE TRIGGER task_record_insert AFTER INSERT ON task
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION task_record_insert();

CREATE FUNCTION task_record_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO task_change (task, previous, state, answer, answer_text, answered_at, superseded_by)
    SELECT after.number, before.state, after.state, after.answer, after.answer_text, after.answered_at, after.superseded_by
    FROM after JOIN before ON before.number = after.number
    WHERE before.state <> after.state
    ORDER BY after.number;
    IF EXISTS (
        SELECT FROM after JOIN before ON before.number = after.number
        WHERE before.state <> after.state AND after.is_over AND after.next_try_at IS NOT NULL
    ) THEN
        PERFORM pg_notify('task', '');
    END IF;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION task_record_update() IS 'Keeps every change of state, and wakes the gateways when something is to be withdrawn.';
CREATE TRIGGER task_record_update AFTER UPDATE ON task
    REFERENCING OLD TABLE AS before NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION task_record_update();

CREATE FUNCTION task_change_check() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    own task;
BEGIN
    IF NOT NEW.late_answer THEN
        IF pg_trigger_depth() < 2 THEN
            RAISE EXCEPTION 'changes of tasks are written by the database itself' USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END IF;
    SELECT * INTO own FROM task WHERE number = NEW.task;
    IF NOT own.is_over OR NEW.state <> own.state OR NEW.previous IS DISTINCT FROM own.state THEN
        RAISE EXCEPTION 'task %: an answer is late only when the task is over', NEW.task USING ERRCODE = 'restrict_violation';
    END IF;
    IF num_nonnulls(NEW.answer, NEW.answer_text, NEW.answered_at) <> 3
        OR NOT EXISTS (SELECT FROM task_kind_answer WHERE kind = own.kind AND answer = NEW.answer)
    THEN
        RAISE EXCEPTION 'task %: no answer to a %', NEW.task, own.kind USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
COMMENT ON FUNCTION task_change_check() IS 'Lets in what the triggers of task write, and late answers.';
CREATE TRIGGER task_change_check BEFORE INSERT ON task_change FOR EACH ROW EXECUTE FUNCTION task_change_check();

CREATE FUNCTION task_change_publish() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO publication (task_change_id)
    SELECT array_agg(id ORDER BY id) FROM added HAVING count(*) > 0;
    IF FOUND THEN
        PERFORM pg_notify('publication', '');
    END IF;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION task_change_publish() IS 'Leaves the changes of a statement to the relay, in their transaction.';
CREATE TRIGGER task_change_publish AFTER INSERT ON task_change
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION task_change_publish();

CREATE FUNCTION task_verdict_publish() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO publication (task_verdict_id)
    SELECT array_agg(id ORDER BY id) FROM added HAVING count(*) > 0;
    IF FOUND THEN
        PERFORM pg_notify('publication', '');
    END IF;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION task_verdict_publish() IS 'Leaves the verdicts of a statement to the relay, in their transaction.';
CREATE TRIGGER task_verdict_publish AFTER INSERT ON task_verdict
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION task_verdict_publish();

CREATE VIEW task_readable AS
SELECT
    task.number, task.request, task.kind, task.state, task.device_id, street.name AS street, task_request.case_number,
    task_request.text, task_request.grid,
    (task_request.lat_e5 / 1e5)::numeric(8, 5) AS lat, (task_request.lon_e5 / 1e5)::numeric(8, 5) AS lon,
    task_request.pictures, task.issued_at, task_request.not_before, task.expires_at,
    task.attempts, task.next_try_at, task.sent_at, task.received_at,
    task.answer, task.answer_text, task.answered_at, task.superseded_by, task.withdrawal_noted_at
FROM task
JOIN task_request ON task_request.id = task.request
JOIN device ON device.id = task.device_id
LEFT JOIN street ON street.code = device.street_code;
COMMENT ON VIEW task_readable IS 'Tasks with what was asked, the street of the device and degrees.';

-- migrate: rollback
DROP VIEW task_readable;
DROP TABLE task_verdict;
DROP TABLE task_change;
DROP TABLE task;
DROP TABLE task_request;
DROP TABLE task_kind_answer;
DROP TABLE task_transition;
DROP FUNCTION task_verdict_publish();
DROP FUNCTION task_change_publish();
DROP FUNCTION task_change_check();
DROP FUNCTION task_record_update();
DROP FUNCTION task_record_insert();
DROP FUNCTION task_check_update();
DROP FUNCTION task_check_insert();
DROP FUNCTION task_refuse();
DROP TYPE task_action;
DROP TYPE task_answer;
DROP TYPE task_state;
DROP TYPE task_kind;
