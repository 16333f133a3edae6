-- bills of the months, made by the gateways, and views for dashboards that never read `report`
-- depends: 0006-metering

-- migrate: apply
CREATE TABLE bill (
    made_at timestamptz NOT NULL DEFAULT now(),
    month date NOT NULL CHECK (month = date_trunc('month', month)),
    through date NOT NULL,
    cost numeric(38, 2) NOT NULL,
    a_year numeric(38, 2) NOT NULL,
    saving numeric(38, 2),
    saving_a_year numeric(38, 2),
    saving_percent numeric(38, 1),
    per_report numeric(38, 4),
    is_sms boolean NOT NULL,
    assumption boolean NOT NULL,
    currency text NOT NULL,
    tariff text NOT NULL,
    name text NOT NULL,
    PRIMARY KEY (month, tariff)
);
COMMENT ON TABLE bill IS 'What each month costs under each tariff, fees and allowances included. Written anew every few minutes by a gateway, the only one that knows tariffs; no money is calculated in SQL.';
COMMENT ON COLUMN bill.made_at IS 'When it was calculated.';
COMMENT ON COLUMN bill.month IS 'First day of the month, in China.';
COMMENT ON COLUMN bill.through IS 'The last day that was billed.';
COMMENT ON COLUMN bill.cost IS 'Of the month until then.';
COMMENT ON COLUMN bill.a_year IS 'What a year like the month until then would cost.';
COMMENT ON COLUMN bill.saving IS 'Against the first tariff for SMS; null where there is none in this currency.';
COMMENT ON COLUMN bill.saving_a_year IS 'The same in a year.';
COMMENT ON COLUMN bill.saving_percent IS 'The same in percent; null where SMS would have cost nothing.';
COMMENT ON COLUMN bill.per_report IS 'Cost of a report; null without reports.';
COMMENT ON COLUMN bill.is_sms IS 'A tariff of short messages: what they would have cost.';
COMMENT ON COLUMN bill.assumption IS 'Whether any of its prices is an assumption.';
COMMENT ON COLUMN bill.currency IS 'ISO 4217.';
COMMENT ON COLUMN bill.tariff IS 'Id of the tariff.';
COMMENT ON COLUMN bill.name IS 'Its name, for people.';

CREATE TABLE bill_by_day (
    cost numeric(38, 2) NOT NULL,
    day date NOT NULL,
    tariff text NOT NULL,
    PRIMARY KEY (day, tariff)
);
COMMENT ON TABLE bill_by_day IS 'The bills of the months, divided over their days. The days of a month add up to its bill.';
COMMENT ON COLUMN bill_by_day.cost IS 'The share of the day.';
COMMENT ON COLUMN bill_by_day.day IS 'Day in China.';
COMMENT ON COLUMN bill_by_day.tariff IS 'Id of the tariff.';

CREATE TABLE bill_by_street (
    cost numeric(38, 2) NOT NULL,
    month date NOT NULL,
    street_code integer,
    tariff text NOT NULL,
    UNIQUE NULLS NOT DISTINCT (month, street_code, tariff)
);
COMMENT ON TABLE bill_by_street IS 'The bills of the months, divided over the streets that devices are registered for. The streets add up to the bill.';
COMMENT ON COLUMN bill_by_street.cost IS 'The share of the street.';
COMMENT ON COLUMN bill_by_street.month IS 'First day of the month, in China.';
COMMENT ON COLUMN bill_by_street.street_code IS 'The street; null: devices of none.';
COMMENT ON COLUMN bill_by_street.tariff IS 'Id of the tariff.';

CREATE VIEW dashboard_street AS
SELECT code AS street_code, name AS street, collection::text AS collection, grids
FROM street
LEFT JOIN (SELECT street_code, count(*) AS grids FROM unit_grid GROUP BY 1) AS counted ON counted.street_code = code
UNION ALL
SELECT NULL, '-', '-', 0;
COMMENT ON VIEW dashboard_street IS 'Streets with their unit grids, and "-" for what belongs to none.';

CREATE VIEW dashboard_usage AS
SELECT
    day, coalesce(street.name, '-') AS street, coalesce(street.collection::text, '-') AS collection, transport::text,
    sum(bytes_up)::bigint AS bytes_up, sum(bytes_down)::bigint AS bytes_down, sum(connections)::bigint AS connections,
    sum(reports)::bigint AS reports, sum(tasks)::bigint AS tasks, sum(segments_up)::bigint AS segments_up,
    sum(segments_down)::bigint AS segments_down
FROM (
    SELECT
        day, device_id, transport, bytes_up, bytes_down, connections, 0 AS reports, 0 AS tasks, 0 AS segments_up,
        0 AS segments_down
    FROM traffic
    UNION ALL
    SELECT
        day, device_id, transport, 0, 0, 0, reports, tasks, report_segments + answer_segments,
        confirmation_segments + task_segments
    FROM sms_avoided
) AS metered
LEFT JOIN device ON device.id = device_id
LEFT JOIN street ON street.code = device.street_code
GROUP BY day, street.name, street.collection, transport;
COMMENT ON VIEW dashboard_usage IS 'What was metered, by day, street of the device and transport, with the short messages that the old system would have needed. Ask for days: traffic and sms_avoided are read by their index.';

CREATE VIEW dashboard_bill AS
SELECT
    bill.month, bill.tariff, bill.name, bill.currency, bill.cost, bill.saving, bill.saving_percent, bill.per_report,
    bill.a_year, bill.saving_a_year, bill.is_sms, bill.assumption, bill.through, bill.made_at
FROM bill;
COMMENT ON VIEW dashboard_bill IS 'Each month under each tariff.';

CREATE VIEW dashboard_bill_by_day AS
SELECT day, tariff, bill.name, bill.currency, bill.is_sms, bill_by_day.cost
FROM bill_by_day
JOIN bill USING (tariff)
WHERE bill.month = date_trunc('month', day)::date;
COMMENT ON VIEW dashboard_bill_by_day IS 'Each day''s share of its month''s bill. Fees are spread evenly over the days on which a card was used.';

CREATE VIEW dashboard_bill_by_street AS
SELECT
    month, tariff, bill.name, bill.currency, bill.is_sms, coalesce(street.name, '-') AS street,
    coalesce(street.collection::text, '-') AS collection, bill_by_street.cost
FROM bill_by_street
JOIN bill USING (month, tariff)
LEFT JOIN street ON street.code = street_code;
COMMENT ON VIEW dashboard_bill_by_street IS 'Each street''s share of the month''s bill.';

CREATE VIEW dashboard_budget_warning AS
SELECT
    month, device_id, coalesce(street.name, '-') AS street, device.label, noticed_at, budget, spent, projected, currency,
    tariff
FROM budget_warning
LEFT JOIN device ON device.id = device_id
LEFT JOIN street ON street.code = device.street_code;
COMMENT ON VIEW dashboard_budget_warning IS 'Devices that were on the way to exceed their budget, and all together, where device_id is null.';

CREATE VIEW dashboard_reports AS
SELECT
    observed_on AS day, coalesce(street.name, '-') AS street, coalesce(street.collection::text, '-') AS collection,
    kind::text, urgency::text, transport::text, simple, reports
FROM report_count
LEFT JOIN street ON street.code = street_code;
COMMENT ON VIEW dashboard_reports IS 'Reports counted by the day they were observed, with the names of their streets.';

CREATE VIEW dashboard_tasks AS
SELECT
    (issued_at AT TIME ZONE 'Asia/Shanghai')::date AS day, coalesce(street.name, '-') AS street, kind::text, state::text,
    answer::text, count(*) AS tasks,
    avg(extract(epoch FROM received_at - issued_at))::float8 AS mean_seconds_to_device
FROM task
JOIN device ON device.id = device_id
LEFT JOIN street ON street.code = device.street_code
GROUP BY 1, 2, 3, 4, 5;
COMMENT ON VIEW dashboard_tasks IS 'Tasks by the day they were issued, street of the device, kind, state and answer. Reads all tasks, which are few beside reports.';

CREATE VIEW dashboard_online AS
SELECT coalesce(street.name, '-') AS street, transport::text, gateway, count(*) AS devices
FROM presence
JOIN device ON device.id = device_id
LEFT JOIN street ON street.code = device.street_code
GROUP BY 1, 2, 3;
COMMENT ON VIEW dashboard_online IS 'Devices that are online, by street, transport and gateway.';

CREATE VIEW dashboard_quarantine AS
SELECT (received_at AT TIME ZONE 'Asia/Shanghai')::date AS day, code, transport::text, count(*) AS items
FROM quarantine
GROUP BY 1, 2, 3;
COMMENT ON VIEW dashboard_quarantine IS 'What could not be accepted, by day and refusal code.';

-- migrate: rollback
DROP VIEW dashboard_quarantine;
DROP VIEW dashboard_online;
DROP VIEW dashboard_tasks;
DROP VIEW dashboard_reports;
DROP VIEW dashboard_budget_warning;
DROP VIEW dashboard_bill_by_street;
DROP VIEW dashboard_bill_by_day;
DROP VIEW dashboard_bill;
DROP VIEW dashboard_usage;
DROP VIEW dashboard_street;
DROP TABLE bill_by_street;
DROP TABLE bill_by_day;
DROP TABLE bill;
