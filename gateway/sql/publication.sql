-- Statements of the relay and of who is online.

-- name: source
-- One row. Reads only.
SELECT source FROM event_source

-- name: lead
-- No table. Held until the connection ends, so a relay that dies is followed by another within a moment. Again: counts up,
-- so it is asked once a connection.
SELECT pg_try_advisory_lock($1)

-- name: number
-- Index: publication_unnumbered. Again: what has a position keeps it. Only the relay that leads runs it, one at a time, so
-- positions become visible in their order; transactions of one writer get them in the order of their commits. A relay that
-- does not know yet that it was followed, or a statement that was given up, may still be at it: then this waits (no SKIP
-- LOCKED) and finds the rows numbered.
WITH unnumbered AS MATERIALIZED (
    SELECT id FROM publication WHERE position IS NULL ORDER BY id LIMIT $1 FOR UPDATE
), numbered AS MATERIALIZED (
    SELECT id, nextval('publication_position') AS position FROM unnumbered
)
UPDATE publication SET position = numbered.position
FROM numbered
WHERE publication.id = numbered.id

-- name: undelivered
-- Index: publication_undelivered. Reads only. The first publications in order, as long as they hold at most $2 reports
-- together, and at least one.
SELECT
    position, stored_at, reports, device_id, installation, first_sequence, last_sequence, quarantine_id, task_change_id,
    task_verdict_id, budget_warning_id
FROM (
    SELECT *, sum(reports) OVER (ORDER BY position) - reports AS before
    FROM (
        SELECT * FROM publication
        WHERE position IS NOT NULL AND delivered_at IS NULL
        ORDER BY position
        LIMIT $1
    ) AS first
) AS summed
WHERE before < $2
ORDER BY position

-- name: unhurried
-- Index: publication_unhurried. Reads only. Publications in which emergencies came with others, in order.
SELECT position, stored_at, reports, device_id, installation, first_sequence, last_sequence
FROM publication
WHERE position IS NOT NULL AND emergencies > 0 AND hurried_at IS NULL AND reports <> emergencies
ORDER BY position
LIMIT $1

-- name: number_unhurried
-- Indexes: publication_unnumbered, publication_unhurried. As `number`, and gives at once the publications that hold nothing
-- but emergencies: those just numbered, and those that another relay left. One statement, because an emergency waits for it.
WITH unnumbered AS MATERIALIZED (
    SELECT id FROM publication WHERE position IS NULL ORDER BY id LIMIT $1 FOR UPDATE
), numbered AS MATERIALIZED (
    SELECT id, nextval('publication_position') AS position FROM unnumbered
), given AS (
    UPDATE publication SET position = numbered.position
    FROM numbered
    WHERE publication.id = numbered.id AND publication.position IS NULL
    RETURNING publication.*
)
SELECT position, stored_at, reports, device_id, installation, first_sequence, last_sequence
FROM (
    SELECT * FROM given WHERE emergencies > 0 AND reports = emergencies
    UNION ALL
    SELECT * FROM publication
    WHERE position IS NOT NULL AND emergencies > 0 AND hurried_at IS NULL AND reports = emergencies
) AS due
ORDER BY position
LIMIT $2

-- name: reports
-- Index: report_pkey, one range for each run: OFFSET 0 keeps the planner from reading the whole table. Reads only. $5: only
-- emergencies.
SELECT run.ordinal, report.*
FROM unnest($1::bigint[], $2::integer[], $3::integer[], $4::integer[])
    WITH ORDINALITY AS run (device_id, installation, first, last, ordinal)
CROSS JOIN LATERAL (
    SELECT
        device_id, installation, sequence, edition, kind::text, class_code, urgency::text, simple, patrol::text,
        street_code, grid, lat_e5, lon_e5, accuracy_m, observed_at, stored_at, description, pictures, component,
        transport::text
    FROM report
    WHERE report.device_id = run.device_id AND report.installation = run.installation
        AND report.sequence BETWEEN run.first AND run.last AND (NOT $5 OR report.urgency = 'emergency')
    ORDER BY sequence
    OFFSET 0
) AS report
ORDER BY run.ordinal, report.sequence

-- name: quarantined
-- Index: quarantine_pkey. Reads only.
SELECT id, device_id, installation, sequence, code, detail, transport::text, received_at
FROM quarantine
WHERE id = ANY($1::bigint[])
ORDER BY id

-- name: task_changes
-- Indexes: task_change_pkey, task_pkey, task_request_pkey. Reads only.
SELECT
    task_change.id, task_change.task, task.request, task.device_id AS device, task.kind::text, task_change.state::text,
    previous::text, late_answer, at, case_number, task_change.answer::text, task_change.answer_text,
    task_change.answered_at, task_change.superseded_by
FROM task_change
JOIN task ON task.number = task_change.task
JOIN task_request ON task_request.id = task.request
WHERE task_change.id = ANY($1::bigint[])
ORDER BY task_change.id

-- name: task_verdicts
-- Index: task_verdict_pkey. Reads only.
SELECT id, at, request, action::text, accepted, repeated, tasks, reason
FROM task_verdict
WHERE id = ANY($1::bigint[])
ORDER BY id

-- name: budget_warnings
-- Index: budget_warning_pkey. Reads only.
SELECT id, noticed_at, device_id AS device, month, budget, spent, projected, currency, tariff
FROM budget_warning
WHERE id = ANY($1::bigint[])
ORDER BY id

-- name: hurried
-- Index: publication's unique position. Again: the first moment stays.
UPDATE publication SET hurried_at = coalesce(hurried_at, clock_timestamp())
WHERE position = ANY($1::bigint[])

-- name: delivered
-- Index: publication's unique position. Again: the first moment stays.
UPDATE publication SET delivered_at = coalesce(delivered_at, clock_timestamp())
WHERE position = ANY($1::bigint[])

-- name: again
-- Index: publication_delivered. Again: harmless, it is published once more. Emergencies do not hurry a second time: they
-- come in their turn.
WITH again AS (
    UPDATE publication SET delivered_at = NULL
    WHERE delivered_at IS NOT NULL AND stored_at >= $1
    RETURNING id
)
SELECT count(*) AS publications FROM again

-- name: forget
-- Index: publication_delivered. Again: nothing is left to delete. In portions, so that no statement is long. $3: what is not
-- counted yet is kept.
DELETE FROM publication
WHERE id IN (
    SELECT id FROM publication
    WHERE delivered_at < now() - $1::interval AND (emergencies = 0 OR hurried_at IS NOT NULL) AND (is_counted OR NOT $3)
    ORDER BY delivered_at
    LIMIT $2
)

-- name: state
-- Indexes: the partial ones of publication. Reads only.
SELECT publications_waiting, reports_waiting, coalesce(lag_seconds, 0) AS lag_seconds FROM relay_state

-- name: came
-- Index: presence_pkey. Again, when the first answer was lost: once more, with a higher sequence, so that the event is made.
INSERT INTO presence (device_id, session, installation, transport, gateway)
SELECT *, $5 FROM unnest($1::bigint[], $2::bigint[], $3::integer[], $4::transport[]) AS t
ORDER BY 1
ON CONFLICT (device_id) DO UPDATE SET
    session = excluded.session, installation = excluded.installation, transport = excluded.transport,
    gateway = excluded.gateway, since = now()
RETURNING device_id, installation, transport::text, now() AS at, nextval('presence_sequence') AS sequence

-- name: left
-- Index: presence_pkey. Again: nothing is left. Only who holds the newest session may say that a device is gone: it may
-- have come back through another gateway.
DELETE FROM presence
USING unnest($1::bigint[], $2::bigint[]) AS gone (device_id, session)
WHERE presence.device_id = gone.device_id AND presence.session = gone.session
RETURNING presence.device_id, installation, transport::text, now() AS at, nextval('presence_sequence') AS sequence

-- name: clear
-- Index: presence_gateway. Again: nothing is left. What a gateway of this name left behind when it was killed.
DELETE FROM presence
WHERE gateway = $1
RETURNING device_id, installation, transport::text, now() AS at, nextval('presence_sequence') AS sequence
