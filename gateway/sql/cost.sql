-- Statements of what was metered.

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
FROM (SELECT * FROM traffic WHERE day BETWEEN $1 AND $2) AS traffic
FULL JOIN (SELECT * FROM sms_avoided WHERE day BETWEEN $1 AND $2) AS sms_avoided USING (day, device_id, transport)
LEFT JOIN device ON device.id = device_id
ORDER BY day, device_id, transport
