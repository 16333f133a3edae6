"""Rows for every table and column, by the migration that made them: a database as it may be when it
is brought up to date, with the awkward cases.

The device is number 1 with the secret of tests; its reports 1 to 3 are those of `wire`.
"""

# ruff: noqa: E501 - rows of SQL read best in one line

from typing import Final

from gateway.protocol.proof import derive_keys
from tests.helpers.device_client import secret_of

_KEYS: Final = derive_keys(secret_of(1))

ROWS: Final[dict[str, tuple[str, ...]]] = {
    "0001-reference": (
        """
        INSERT INTO edition VALUES (1, 440307, 2265000, 11429000, 14, 4, true, 'CJ/T 214-2007');
        INSERT INTO class_code VALUES (1, 'event', 203, 'city looks', 'litter');
        INSERT INTO street VALUES (440307003, 2264000, 11414000, 'market', 12.3, 'Pinghu');
        INSERT INTO unit_grid VALUES (44030700300101, 440307003);
        """,
    ),
    "0002-ingest": (
        f"""
        INSERT INTO device (id, revoked_at, street_code, stored_key, gateway_key, label) VALUES
            (1, NULL, 440307003, '\\x{_KEYS.stored_key.hex()}', '\\x{_KEYS.gateway_key.hex()}', 'n'),
            (9007199254740991, '2020-01-01+08', NULL, decode(repeat('0a', 16), 'hex'),
             decode(repeat('0b', 16), 'hex'), '');
        INSERT INTO installation (device_id, installation, settled_through)
        VALUES (1, 1, 1), (1, 2147483647, 0);
        INSERT INTO report (device_id, grid, observed_at, stored_at, installation, sequence, class_code,
            street_code, lat_e5, lon_e5, accuracy_m, kind, urgency, patrol, transport, edition,
            pictures, component, simple, description)
        SELECT 1, 44030700300101, '2008-03-20 08:00+00', now() - interval '3 years', installation,
            sequence, 203, 440307003, 2265600, 11415100, 12, 'event', urgency, 'routine', 'tcp', 1, 2,
            nullif(sequence, 1), true, 'text ' || sequence
        FROM (VALUES (1, 1, 'ordinary'::report_urgency), (1, 2, 'emergency'), (1, 5, 'difficult'),
            (2147483647, 2147483647, 'ordinary')) AS r (installation, sequence, urgency);
        INSERT INTO track (device_id, installation, sequence, transport, edition, observed_at, lat_e5,
            lon_e5, accuracy_m)
        VALUES (1, 1, 3, 'mqtt', 1, ARRAY['2008-03-20 08:00+00'::timestamptz], '{{1}}', '{{2}}', '{{3}}'),
            (1, 1, 7, 'mqtt', 1, '{{}}', '{{}}', '{{}}', '{{}}');
        INSERT INTO quarantined_frame VALUES ('\\x01', '\\xff00'), ('\\x02', '');
        INSERT INTO quarantine (device_id, installation, sequence, transport, code, distinct_by,
            frame_digest, detail)
        VALUES (1, 1, 4, 'tcp', 44, '', '\\x01', 'ahead'), (1, 1, 1, 'tcp', 48, '\\x05', '\\x01', 'conflict'),
            (1, 1, NULL, 'mqtt', 40, '\\x02', '\\x02', 'no number');
        INSERT INTO ledger VALUES (9, 6, 1, 2, 0, '2008-03-20', 'tcp', 0, 'old');
        """,
    ),
    "0003-views": (),
    "0004-publication": (
        """
        INSERT INTO publication (reports, emergencies, device_id, installation, first_sequence,
            last_sequence, quarantine_id)
        VALUES (2, 1, '{1}', '{1}', '{1}', '{2}', '{1,2,3}');
        INSERT INTO publication (position, stored_at, hurried_at, delivered_at, reports, device_id,
            installation, first_sequence, last_sequence)
        VALUES (nextval('publication_position'), now(), now(), now(), 1, '{1}', '{1}', '{5}', '{5}'),
            (nextval('publication_position'), now(), NULL, NULL, 1, '{1}', '{2147483647}',
             '{2147483647}', '{2147483647}');
        INSERT INTO presence (device_id, session, installation, transport, gateway)
        VALUES (1, 5, 1, 'tcp', 'killed');
        """,
    ),
    "0005-tasks": (
        """
        INSERT INTO task_request (id, target_device, grid, not_before, expires_at, target_street,
            lat_e5, lon_e5, kind, text, case_number, supersedes, pictures)
        VALUES ('a', 1, 44030700300101, now(), now() + interval '1 day', NULL, 1, 2, 'verify', 't', 'c',
                NULL, '{p}'),
            ('b', NULL, NULL, NULL, now() + interval '1 day', 440307003, NULL, NULL, 'check', 't', '',
                'a', '{}'),
            ('n', NULL, NULL, NULL, now() + interval '1 day', NULL, NULL, NULL, 'notice', 't', '',
                NULL, '{}');
        INSERT INTO task (device_id, expires_at, next_try_at, kind, request)
        VALUES (1, now() + interval '1 day', NULL, 'verify', 'a'),
            (1, now() + interval '1 day', now(), 'check', 'b'),
            (1, now() + interval '1 day', now(), 'notice', 'n');
        UPDATE task SET state = 'sent', sent_at = now(), attempts = 1, installation = 1
        WHERE request IN ('a', 'b');
        UPDATE task SET state = 'superseded', superseded_by = 'b', withdrawal_noted_at = now()
        WHERE request = 'a';
        UPDATE task SET state = 'received', received_at = now(), next_try_at = NULL WHERE request = 'b';
        UPDATE task SET state = 'answered', answer = 'passed', answer_text = 'x', answered_at = now()
        WHERE request = 'b';
        INSERT INTO task_change (task, previous, state, answer, answer_text, answered_at, late_answer)
        SELECT number, 'superseded', 'superseded', 'exists', 'late', now(), true FROM task
        WHERE request = 'a';
        INSERT INTO task_verdict (action, accepted, repeated, request, reason, asker_reason, tasks)
        VALUES ('request', true, false, 'a', NULL, NULL, 1), ('cancel', false, true, 'z', 'no', 'w', 0);
        """,
    ),
    "0006-metering": (
        """
        INSERT INTO traffic VALUES (1, 10, 20, 5, 1, 1, 3, '2008-03-20', 'tcp');
        INSERT INTO sms_avoided VALUES (1, 2, 3, 4, 5, 6, 7, 8, '2008-03-20', 'tcp'),
            (1, 0, 0, 0, 1, 1, 1, 1, '2008-03-20', NULL);
        INSERT INTO report_count VALUES (2, 440307003, '2008-03-20', 'event', 'ordinary', 'tcp', true);
        INSERT INTO budget_warning (device_id, month, budget, spent, projected, currency, tariff)
        VALUES (1, '2008-03-01', 5, 4.5, 6.25, 'CNY', 'gprs-2006-plan-20'),
            (NULL, '2008-03-01', 500, 450, 625, 'CNY', 'gprs-2006-plan-20');
        """,
    ),
    "0007-dashboards": (
        """
        INSERT INTO bill VALUES (now(), '2008-03-01', '2008-03-20', 1, 12, 2, 24, 66.6, 0.5, false, true,
            'CNY', 'gprs-2006-plan-20', 'n');
        INSERT INTO bill_by_day VALUES (1, '2008-03-20', 'gprs-2006-plan-20');
        INSERT INTO bill_by_street VALUES (1, '2008-03-01', NULL, 'gprs-2006-plan-20'),
            (0, '2008-03-01', 440307003, 'gprs-2006-plan-20');
        """,
    ),
    # A device that was restored and revoked anew: the trigger counts what is done to it by hand.
    "0008-devices": (
        "UPDATE device SET revoked_at = NULL WHERE id = 9007199254740991;",
        "UPDATE device SET revoked_at = '2020-01-01+08' WHERE id = 9007199254740991;",
    ),
    "0009-archive": (
        """
        CREATE TABLE report_archive_2020_01 (LIKE report_archive INCLUDING ALL);
        ALTER TABLE report_archive ATTACH PARTITION report_archive_2020_01
            FOR VALUES FROM ('2020-01-01 00:00+08') TO ('2020-02-01 00:00+08');
        CREATE TABLE track_archive_2020_01 (LIKE track_archive INCLUDING ALL);
        ALTER TABLE track_archive ATTACH PARTITION track_archive_2020_01
            FOR VALUES FROM ('2020-01-01 00:00+08') TO ('2020-02-01 00:00+08');
        INSERT INTO report_archive
        SELECT (jsonb_populate_record(report, '{"installation": 8, "stored_at": "2020-01-02 00:00+08"}')).*
        FROM report WHERE installation = 1 AND sequence <= 2;
        INSERT INTO track_archive
        SELECT (jsonb_populate_record(track, '{"installation": 8, "stored_at": "2020-01-02 00:00+08"}')).*
        FROM track WHERE sequence = 3;
        INSERT INTO installation (device_id, installation, settled_through, archived_through,
            reports_dropped_through, tracks_dropped_through)
        VALUES (1, 8, 3, 3, 1, 1);
        """,
    ),
}
