-- Statements of `gateway archive`. {table} is report or track, {many} its plural in the columns of installation, {part} the
-- table of a month; all three come from the code. One archiver works at a time.

-- name: begin
-- No table. Held until the connection ends, so an archiver that dies is followed by the next. Again: counts up, so it is
-- asked once a connection.
SELECT pg_try_advisory_lock($1)

-- name: wait_briefly
-- No table. Again: the same. Others queue behind a lock that waits, greetings among them: better to give up.
SELECT set_config('lock_timeout', $1, false)

-- name: settled_before
-- Index: none, publication is read whole, once a run; it holds what is to be published or counted, and keep_days of what
-- was. Reads only. What a note still stands for stays where the relay, the counting and `events again` look for it.
SELECT least(now() - make_interval(days => $1), (SELECT min(stored_at) FROM publication))

-- name: count_old
-- Index: none, the whole table is read, in a dry run only. Reads only.
SELECT count(*) FROM {table} WHERE stored_at < $1

-- name: installations
-- Index: {table}_pkey, two steps for each installation and none for its other rows. Reads only. The next $4 installations
-- after $1, $2 whose first row is older than $3, with the last one looked at.
WITH RECURSIVE found AS (
    (SELECT device_id, installation, stored_at FROM {table} WHERE (device_id, installation) > ($1, $2)
     ORDER BY device_id, installation, sequence LIMIT 1)
    UNION ALL
    SELECT next.* FROM found CROSS JOIN LATERAL (
        SELECT device_id, installation, stored_at FROM {table}
        WHERE ({table}.device_id, {table}.installation) > (found.device_id, found.installation)
        ORDER BY device_id, installation, sequence LIMIT 1
    ) AS next
)
SELECT device_id, installation, stored_at < $3 AS is_old FROM found LIMIT $4

-- name: settle
-- Index: installation_pkey, report_pkey, track_pkey, quarantine's unique key; for each installation the numbers above the
-- remembered watermark, at most $3 of each table. Again: the watermark only ever rises to what the rows say. As in look_up,
-- which does not see what is archived: here a gap that closed late is noticed, and who does not greet any more is marked too.
INSERT INTO installation (device_id, installation, settled_through)
SELECT asked.device_id, asked.installation, known.settled_through + run.length
FROM unnest($1::bigint[], $2::integer[]) AS asked (device_id, installation)
CROSS JOIN LATERAL (
    SELECT coalesce(max(settled_through), 0) AS settled_through FROM installation
    WHERE installation.device_id = asked.device_id AND installation.installation = asked.installation
) AS known
CROSS JOIN LATERAL (
    SELECT count(*)::integer AS length
    FROM (
        SELECT sequence, known.settled_through + row_number() OVER (ORDER BY sequence) AS without_gap
        FROM (
            (SELECT sequence FROM report
             WHERE report.device_id = asked.device_id AND report.installation = asked.installation
                 AND sequence > known.settled_through
             ORDER BY sequence LIMIT $3)
            UNION
            (SELECT sequence FROM track
             WHERE track.device_id = asked.device_id AND track.installation = asked.installation
                 AND sequence > known.settled_through
             ORDER BY sequence LIMIT $3)
            UNION
            (SELECT sequence FROM quarantine
             WHERE quarantine.device_id = asked.device_id AND quarantine.installation = asked.installation
                 AND sequence > known.settled_through
             ORDER BY sequence LIMIT $3)
            UNION
            (SELECT sequence FROM report_archive
             WHERE report_archive.device_id = asked.device_id AND report_archive.installation = asked.installation
                 AND sequence > known.settled_through
             ORDER BY sequence LIMIT $3)
            UNION
            (SELECT sequence FROM track_archive
             WHERE track_archive.device_id = asked.device_id AND track_archive.installation = asked.installation
                 AND sequence > known.settled_through
             ORDER BY sequence LIMIT $3)
        ) AS numbers
    ) AS positions
    WHERE sequence = without_gap
) AS run
WHERE run.length > 0 OR NOT EXISTS (
    SELECT FROM installation
    WHERE installation.device_id = asked.device_id AND installation.installation = asked.installation
)
ORDER BY asked.device_id, asked.installation
ON CONFLICT (device_id, installation) DO UPDATE SET
    settled_through = greatest(installation.settled_through, excluded.settled_through)

-- name: months
-- Index: {table}_pkey. Reads only. The months in China of the next rows of an installation.
SELECT DISTINCT date_trunc('month', stored_at AT TIME ZONE 'Asia/Shanghai')::date AS month
FROM (
    SELECT stored_at FROM {table} WHERE device_id = $1 AND installation = $2 ORDER BY sequence LIMIT $4
) AS next
WHERE stored_at < $3

-- name: parts
-- Catalogue only. Reads only.
SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
WHERE inhparent = '{table}_archive'::regclass
ORDER BY relname

-- name: make_part
-- Catalogue only. Not harmless to repeat: asked for where there is no such month yet. Attached and not made in its place,
-- because that waits for nobody who reads, and nobody waits for it.
CREATE TABLE {part} (LIKE {table}_archive INCLUDING ALL);
COMMENT ON TABLE {part} IS 'A month of {table}_archive.';
ALTER TABLE {table}_archive ATTACH PARTITION {part} FOR VALUES FROM ('{first} 00:00+08') TO ('{next} 00:00+08')

-- name: move
-- Index: installation_pkey, {table}_pkey. Again: goes on with the next. One statement is one transaction: the rows leave,
-- arrive and are marked as archived together. The first $4 rows of an installation, as far as each is older than $3. It was settled
-- before, so the watermark stands above all of them, or below a gap that keeps it there.
WITH next AS (
    SELECT sequence, bool_and(stored_at < $3) OVER (ORDER BY sequence) AS is_old
    FROM (
        SELECT sequence, stored_at FROM {table}
        WHERE device_id = $1 AND installation = $2
        ORDER BY sequence LIMIT $4
    ) AS first
), moved AS (
    DELETE FROM {table}
    WHERE device_id = $1 AND installation = $2 AND sequence IN (SELECT sequence FROM next WHERE is_old)
    RETURNING *
), archived AS (
    INSERT INTO {table}_archive SELECT * FROM moved RETURNING sequence
), counted AS (
    SELECT count(*) AS rows, max(sequence) AS last FROM archived
)
UPDATE installation SET archived_through = greatest(archived_through, counted.last)
FROM counted
WHERE device_id = $1 AND installation = $2 AND counted.rows > 0
RETURNING counted.rows

-- name: mark_dropped
-- Index: installation_pkey; the month is read whole. Again: the marks only rise. Before the month goes: until then its rows
-- are found and compared. In order of key, as look_up does, so that neither waits for the other in a circle.
WITH last AS (
    SELECT device_id, installation, max(sequence) AS sequence FROM {part} GROUP BY 1, 2
), locked AS MATERIALIZED (
    SELECT device_id, installation, last.sequence FROM installation JOIN last USING (device_id, installation)
    ORDER BY device_id, installation
    FOR UPDATE OF installation
)
UPDATE installation SET {many}_dropped_through = greatest({many}_dropped_through, locked.sequence)
FROM locked
WHERE installation.device_id = locked.device_id AND installation.installation = locked.installation

-- name: drop_part
-- Catalogue only. Again: it is gone.
DROP TABLE IF EXISTS {part}
