-- Statements about tasks. What may follow what is held by triggers (0005-tasks.sql), which also keep every change and
-- wake the gateways and the relay.

-- name: known_request
-- Index: task_request_pkey. Reads only. `same` is null for an id that is not known.
SELECT (
    SELECT (
        target_device, target_street, kind, text, case_number, grid, lat_e5, lon_e5, pictures, not_before, expires_at,
        supersedes
    ) IS NOT DISTINCT FROM (
        $2::bigint, $3::integer, $4::task_kind, $5::text, $6::text, $7::bigint, $8::integer, $9::integer, $10::text[],
        $11::timestamptz, $12::timestamptz, $13::text
    )
    FROM task_request
    WHERE id = $1
) AS same

-- name: clock
-- Index: none. Reads no table. The moment itself, not the beginning of the transaction.
SELECT clock_timestamp()

-- name: request_exists
-- Index: task_request_pkey. Reads only.
SELECT EXISTS (SELECT FROM task_request WHERE id = $1)

-- name: add_request
-- Index: task_request_pkey. Again, or from two gateways at once: the id is there, and nothing is returned.
INSERT INTO task_request (
    id, target_device, target_street, kind, text, case_number, grid, lat_e5, lon_e5, pictures, not_before, expires_at,
    supersedes
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
ON CONFLICT (id) DO NOTHING
RETURNING id

-- name: add_tasks
-- Index: device_pkey for one device; a street or all read the table of devices, a thousand rows. Again: refused by the
-- unique key of task; it runs only behind an `add_request` that made something.
INSERT INTO task (request, kind, device_id, expires_at, next_try_at)
SELECT task_request.id, task_request.kind, device.id, expires_at, coalesce(not_before, now())
FROM task_request
JOIN device ON device.id = coalesce(target_device, device.id)
    AND (target_street IS NULL OR street_code = target_street)
WHERE task_request.id = $1 AND revoked_at IS NULL
ORDER BY device.id
RETURNING number

-- name: withdraw
-- Index: task_request_device_id_key. Again: a task that is over stays as it is. Locked in order of their numbers, as all
-- who lock several tasks do. What was never sent need not be withdrawn on a handset.
UPDATE task SET
    state = $2::task_state, superseded_by = $3::text,
    next_try_at = CASE WHEN sent_at IS NULL THEN NULL ELSE now() END
WHERE number IN (SELECT number FROM task WHERE request = $1 AND NOT is_over ORDER BY number FOR UPDATE)
RETURNING number

-- name: tasks_of_request
-- Index: task_request_pkey, task_request_device_id_key. Reads only. No row for an id that is not known.
SELECT count(task) AS tasks, count(task) FILTER (WHERE state = 'cancelled') AS cancelled
FROM task_request
LEFT JOIN task ON task.request = task_request.id
WHERE task_request.id = $1
GROUP BY task_request.id

-- name: decide
-- Again: one more verdict, which says "repeated".
INSERT INTO task_verdict (request, action, accepted, repeated, tasks, reason, asker_reason)
VALUES ($1, $2, $3, $4, $5, $6, $7)

-- name: claim_due
-- Index: task_due: one look into a small index for each device. Again, or from two gateways at once: what is claimed is
-- not due any more, and what another one is claiming is skipped. Locking looks at the condition anew.
WITH due AS (
    SELECT number, request, present.installation
    FROM unnest($1::bigint[], $2::integer[]) AS present (device_id, installation)
    JOIN task ON task.device_id = present.device_id
    WHERE next_try_at <= now() AND expires_at > now() AND number > $5
    ORDER BY number
    LIMIT $4
    FOR UPDATE OF task SKIP LOCKED
)
UPDATE task SET
    state = CASE WHEN is_over THEN state ELSE 'sent' END, attempts = attempts + 1, sent_at = now(),
    next_try_at = now() + $3::interval, installation = due.installation
FROM due
JOIN task_request ON task_request.id = due.request
WHERE task.number = due.number
RETURNING
    task.number, task.device_id, task.kind, task.state, task.issued_at, task.expires_at,
    text, case_number, grid, lat_e5, lon_e5, pictures

-- name: claim_arrived
-- Index: task_live: what is open of the devices that have just greeted. As `claim_due`, but what was sent and not noted
-- does not wait for its time, and what an earlier installation has received is sent to the new one.
WITH due AS (
    SELECT number, request, present.installation
    FROM unnest($1::bigint[], $2::integer[]) AS present (device_id, installation)
    JOIN task ON task.device_id = present.device_id
    WHERE (NOT is_over OR next_try_at IS NOT NULL) AND expires_at > now() AND number > $5
        AND (
            next_try_at <= now()
            OR (next_try_at IS NOT NULL AND sent_at IS NOT NULL)
            OR (state = 'received' AND task.installation <> present.installation)
        )
    ORDER BY number
    LIMIT $4
    FOR UPDATE OF task SKIP LOCKED
)
UPDATE task SET
    state = CASE WHEN is_over THEN state ELSE 'sent' END, attempts = attempts + 1, sent_at = now(),
    next_try_at = now() + $3::interval, installation = due.installation
FROM due
JOIN task_request ON task_request.id = due.request
WHERE task.number = due.number
RETURNING
    task.number, task.device_id, task.kind, task.state, task.issued_at, task.expires_at,
    text, case_number, grid, lat_e5, lon_e5, pictures

-- name: note_received
-- Index: task_pkey. Again: it is not `sent` any more. A note of another installation than it was sent to is stale.
UPDATE task SET state = 'received', received_at = now(), next_try_at = NULL
WHERE number = $1 AND device_id = $2 AND installation = $3 AND state = 'sent' AND expires_at > now()

-- name: note_withdrawn
-- Index: task_pkey. Again: the first moment stays.
UPDATE task SET withdrawal_noted_at = coalesce(withdrawal_noted_at, now()), next_try_at = NULL
WHERE number = $1 AND device_id = $2 AND installation = $3 AND state IN ('cancelled', 'superseded')

-- name: task_to_answer
-- Index: task_pkey. Locks the task of this device, if it was ever sent.
SELECT kind, state, is_over, expires_at <= now() AS is_past, answer, answer_text, answered_at
FROM task
WHERE number = $1 AND device_id = $2 AND sent_at IS NOT NULL
FOR UPDATE

-- name: expire_one
-- Index: task_pkey. Again: it is over.
UPDATE task SET state = 'expired', next_try_at = NULL WHERE number = $1 AND NOT is_over

-- name: receive_to_answer
-- Index: task_pkey. An answer says that the task was received, even if that note was lost. Again: not `sent` any more.
UPDATE task SET state = 'received', received_at = now(), next_try_at = NULL, installation = $2
WHERE number = $1 AND state = 'sent'

-- name: answer
-- Index: task_pkey. Again: refused by the trigger; `task_to_answer` tells a repetition.
UPDATE task SET state = 'answered', answer = $2, answer_text = $3, answered_at = $4, next_try_at = NULL
WHERE number = $1

-- name: keep_late_answer
-- Index: task_change_late. Again: it is there.
INSERT INTO task_change (task, previous, state, late_answer, answer, answer_text, answered_at)
VALUES ($1, $2, $2, true, $3, $4, $5)
ON CONFLICT (task, answer, answered_at, answer_text) WHERE late_answer DO NOTHING

-- name: expire
-- Index: task_expiry: one look when nothing expires. Again, or from two gateways at once: what is over stays, what another
-- one is expiring is skipped. A withdrawal that was never noted ends too: the handset does not show what has expired.
UPDATE task SET state = CASE WHEN is_over THEN state ELSE 'expired' END, next_try_at = NULL
WHERE number IN (
    SELECT number FROM task
    WHERE (NOT is_over OR next_try_at IS NOT NULL) AND expires_at <= now()
    ORDER BY expires_at
    LIMIT $1
    FOR UPDATE SKIP LOCKED
)
RETURNING state

-- name: list
-- Index: task_pkey. Reads only; in pages by number.
SELECT number, request, device_id, kind, state, attempts, expires_at, answer, answer_text
FROM task
WHERE number > $1 AND ($2::task_state IS NULL OR state = $2) AND ($3::bigint IS NULL OR device_id = $3)
    AND ($4::text IS NULL OR request = $4)
ORDER BY number
LIMIT $5

-- name: verdicts
-- Index: task_verdict_request. Reads only.
SELECT at, action, accepted, repeated, tasks, coalesce(reason, asker_reason, '') AS reason
FROM task_verdict
WHERE request = $1
ORDER BY id

-- name: history
-- Index: task_request_device_id_key, task_change_task. Reads only.
SELECT number, device_id, at, previous, task_change.state, late_answer, task_change.answer, task_change.answer_text,
    task_change.answered_at
FROM task
JOIN task_change ON task_change.task = task.number
WHERE request = $1
ORDER BY task_change.id
