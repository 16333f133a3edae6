-- Statements of what was metered.

-- name: metered_days
-- Indexes: traffic_pkey, the unique one of sms_avoided, by their first column. Reads only. From each day to the next that
-- there is: a probe a day, however many devices have rows of it.
WITH RECURSIVE traffic_day (day) AS (
    (SELECT day FROM traffic WHERE day BETWEEN $1 AND $2 ORDER BY day LIMIT 1)
    UNION ALL
    SELECT (SELECT day FROM traffic WHERE day > traffic_day.day AND day <= $2 ORDER BY day LIMIT 1)
    FROM traffic_day WHERE day IS NOT NULL
), sms_day (day) AS (
    (SELECT day FROM sms_avoided WHERE day BETWEEN $1 AND $2 ORDER BY day LIMIT 1)
    UNION ALL
    SELECT (SELECT day FROM sms_avoided WHERE day > sms_day.day AND day <= $2 ORDER BY day LIMIT 1)
    FROM sms_day WHERE day IS NOT NULL
)
SELECT day FROM traffic_day WHERE day IS NOT NULL
UNION
SELECT day FROM sms_day WHERE day IS NOT NULL
ORDER BY day

-- name: usage
-- Indexes: traffic_pkey, the unique one of sms_avoided, by their first column. Reads only.
SELECT
    day, device_id, transport::text, device.street_code,
    coalesce(bytes_up, 0) AS bytes_up, coalesce(bytes_down, 0) AS bytes_down, coalesce(night_bytes, 0) AS night_bytes,
    coalesce(kib, 0) AS kib, coalesce(night_kib, 0) AS night_kib, coalesce(connections, 0) AS connections,
    coalesce(reports, 0) AS reports, coalesce(report_segments, 0) AS report_segments,
    coalesce(confirmation_segments, 0) AS confirmation_segments, coalesce(tasks, 0) AS tasks,
    coalesce(task_segments, 0) AS task_segments, coalesce(answers, 0) AS answers,
    coalesce(answer_segments, 0) AS answer_segments
FROM (SELECT * FROM traffic WHERE day = $1) AS traffic
FULL JOIN (SELECT * FROM sms_avoided WHERE day = $1) AS sms_avoided USING (day, device_id, transport)
LEFT JOIN device ON device.id = device_id
ORDER BY device_id, transport

-- name: traffic_of_month
-- Index: traffic_pkey. Reads only. Sums by device; by device and day where $3.
SELECT
    min(day) AS day, device_id, sum(bytes_up)::bigint AS bytes_up, sum(bytes_down)::bigint AS bytes_down,
    sum(night_bytes)::bigint AS night_bytes, sum(kib)::bigint AS kib, sum(night_kib)::bigint AS night_kib,
    sum(connections)::bigint AS connections
FROM traffic
WHERE day BETWEEN $1 AND $2
GROUP BY device_id, CASE WHEN $3 THEN day END

-- name: warn
-- Index: the unique one of budget_warning. Again: a device is warned of once a month; what is known is not tried, because each
-- try would use up an id.
INSERT INTO budget_warning (month, currency, tariff, device_id, budget, spent, projected)
SELECT $1, $2, $3, excess.*
FROM unnest($4::bigint[], $5::numeric[], $6::numeric[], $7::numeric[]) AS excess (device_id, budget, spent, projected)
WHERE NOT EXISTS (
    SELECT FROM budget_warning AS known
    WHERE known.month = $1 AND known.device_id IS NOT DISTINCT FROM excess.device_id
)
ORDER BY excess.device_id
ON CONFLICT (month, device_id) DO NOTHING
RETURNING id
