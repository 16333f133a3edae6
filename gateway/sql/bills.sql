-- Statements of the bills that dashboards show.

-- name: is_fresh
-- Index: bill_pkey. Reads only. Whether another gateway has made the bill of the month lately.
SELECT coalesce(max(made_at) > now() - make_interval(secs => $2), false) FROM bill WHERE month = $1

-- name: lock
-- One writer at a time; released at the end of the transaction. Again: waits for nobody but the other writer.
SELECT pg_advisory_xact_lock(hashtext('field-gateway bills'))

-- name: forget
-- Indexes: bill_pkey, bill_by_day_pkey, the unique one of bill_by_street. Again: nothing is left to delete.
WITH
    days AS (DELETE FROM bill_by_day WHERE day >= $1 AND day < $1 + interval '1 month'),
    streets AS (DELETE FROM bill_by_street WHERE month = $1)
DELETE FROM bill WHERE month = $1

-- name: add_lines
-- Index: bill_pkey. Again: after `forget`, in its transaction.
INSERT INTO bill (
    month, through, tariff, name, currency, is_sms, assumption, cost, a_year, saving, saving_a_year, saving_percent,
    per_report
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)

-- name: add_days
-- Index: bill_by_day_pkey. Again: after `forget`, in its transaction.
INSERT INTO bill_by_day (day, tariff, cost) SELECT * FROM unnest($1::date[], $2::text[], $3::numeric[])

-- name: add_streets
-- Index: the unique one of bill_by_street. Again: after `forget`, in its transaction.
INSERT INTO bill_by_street (month, street_code, tariff, cost)
SELECT $1, * FROM unnest($2::integer[], $3::text[], $4::numeric[])
