-- Statements of what counts reports and tasks after the commit.

-- name: uncounted
-- Index: publication_uncounted. Reads only: who counts them first is decided by `claim`. The first publications, as long as
-- they hold at most $2 reports together, and at least one. $3: those that are set aside.
SELECT id, stored_on, reports, device_id, installation, first_sequence, last_sequence, task_change_id
FROM (
    SELECT
        id, (stored_at AT TIME ZONE 'Asia/Shanghai')::date AS stored_on, reports, device_id, installation,
        first_sequence, last_sequence, task_change_id, sum(reports) OVER (ORDER BY id) - reports AS before
    FROM (
        SELECT * FROM publication WHERE NOT is_counted AND id <> ALL ($3::bigint[]) ORDER BY id LIMIT $1
    ) AS first
) AS summed
WHERE before < $2
ORDER BY id

-- name: reports
-- Index: report_pkey, one range for each run: OFFSET 0 keeps the planner from reading the whole table. Reads only. The order
-- of the columns is that of `count_report`.
SELECT run.ordinal, report.*
FROM unnest($1::bigint[], $2::integer[], $3::integer[], $4::integer[])
    WITH ORDINALITY AS run (device_id, installation, first, last, ordinal)
CROSS JOIN LATERAL (
    SELECT
        device_id, street_code, transport::text, kind::text, urgency::text, simple, patrol::text, sequence, edition,
        extract(epoch FROM observed_at)::bigint, class_code, grid, lat_e5, lon_e5, accuracy_m, description, pictures,
        component
    FROM report
    WHERE report.device_id = run.device_id AND report.installation = run.installation
        AND report.sequence BETWEEN run.first AND run.last
    OFFSET 0
) AS report

-- name: task_changes
-- Indexes: task_change_pkey, task_pkey, task_request_pkey. Reads only. What would have been a short message: a task on its
-- first way to its handset, and answers.
SELECT
    task_change.id, (at AT TIME ZONE 'Asia/Shanghai')::date AS day, task.device_id AS device, task_change.task,
    task.kind::text, task_request.text, case_number, task_change.answer::text, task_change.answer_text,
    task_change.state = 'sent' AND previous = 'queued' AS is_first_sending
FROM task_change
JOIN task ON task.number = task_change.task
JOIN task_request ON task_request.id = task.request
WHERE task_change.id = ANY($1::bigint[])
    AND (task_change.answer IS NOT NULL OR task_change.state = 'sent' AND previous = 'queued')

-- name: commit_lightly
-- No table. Again: the same. The commit need not wait for the disk: a crash of the server takes sums and marks together, and
-- they are counted once more. So the relay, which may want the same rows, waits the less.
SET LOCAL synchronous_commit = off

-- name: claim
-- Index: publication_pkey. Again: who was counted meanwhile is left out, so each is counted once. SKIP LOCKED: one that the
-- relay or another gateway is changing at this moment is counted by a later round, and nobody waits in a circle.
SELECT id FROM publication WHERE id = ANY ($1::bigint[]) AND NOT is_counted ORDER BY id FOR UPDATE SKIP LOCKED

-- name: add_sms
-- Index: the unique one of sms_avoided. The rows come in one order: two gateways wait for each other, never in a circle.
-- Again: counted twice, therefore in the transaction of `claim`.
INSERT INTO sms_avoided AS sum (
    day, device_id, transport, reports, report_segments, confirmation_segments, tasks, task_segments, answers,
    answer_segments
)
SELECT * FROM unnest(
    $1::date[], $2::bigint[], $3::transport[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
    $9::bigint[], $10::bigint[]
)
ON CONFLICT (day, device_id, transport) DO UPDATE SET
    reports = sum.reports + excluded.reports, report_segments = sum.report_segments + excluded.report_segments,
    confirmation_segments = sum.confirmation_segments + excluded.confirmation_segments,
    tasks = sum.tasks + excluded.tasks, task_segments = sum.task_segments + excluded.task_segments,
    answers = sum.answers + excluded.answers, answer_segments = sum.answer_segments + excluded.answer_segments

-- name: add_reports
-- Index: report_count_pkey. Order, and again: as `add_sms`.
INSERT INTO report_count AS sum (observed_on, street_code, kind, urgency, transport, simple, reports)
SELECT * FROM unnest(
    $1::date[], $2::integer[], $3::report_kind[], $4::report_urgency[], $5::transport[], $6::boolean[], $7::bigint[]
)
ON CONFLICT (observed_on, street_code, kind, urgency, transport, simple) DO UPDATE SET
    reports = sum.reports + excluded.reports

-- name: counted
-- Index: publication_pkey. Again: nothing changes. In the transaction of `claim`, which holds the rows.
UPDATE publication SET is_counted = true WHERE id = ANY ($1::bigint[])

-- name: waiting
-- Index: publication_uncounted. Reads only.
SELECT count(*) AS publications, coalesce(sum(reports), 0)::bigint AS reports FROM publication WHERE NOT is_counted
