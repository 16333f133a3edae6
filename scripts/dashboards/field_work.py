"""Field work: reports and quota, emergencies, tasks. From PostgreSQL; `report` is never read."""

from typing import Final

from scripts.dashboards.board import (
    DAY_TIME,
    DAYS,
    Board,
    Row,
    Variable,
    bar_gauge,
    daily,
    sql,
    sql_series,
    stat,
    table,
)

STREETS: Final = "street IN (${street:sqlstring})"
REPORTS: Final = f"FROM dashboard_reports WHERE {DAYS} AND {STREETS}"
TASKS: Final = f"FROM dashboard_tasks WHERE {DAYS} AND {STREETS}"

QUOTA: Final = "${quota:sqlstring}::numeric"
"""What the contracted streets have to bring in the time range."""

SUMMARY = Row(
    "In the time range · 所选时间",
    [
        stat("Reports · 上报", sql(f"SELECT sum(reports) AS reports {REPORTS}")),
        stat(
            "Emergencies · 突发",
            sql(
                "SELECT coalesce(sum(reports) FILTER (WHERE urgency = 'emergency'), 0)"
                f" AS emergencies {REPORTS}"
            ),
            thresholds=((1, "red"),),
        ),
        stat(
            "Simple cases · 简单案件",
            sql(
                "SELECT 100.0 * sum(reports) FILTER (WHERE simple) / nullif(sum(reports), 0)"
                f" AS percent {REPORTS}"
            ),
            "percent",
            decimals=1,
            description="Handled on the spot.",
        ),
        stat(
            "Quota attained · 达标率",
            sql(
                f"SELECT round(100.0 * sum(reports) / {QUOTA}, 1) AS percent {REPORTS}"
                " AND collection = 'market'"
            ),
            "percent",
            decimals=1,
            description="Reports of contracted streets in percent of the quota at the top.",
        ),
        stat(
            "Devices online · 在线终端",
            sql(f"SELECT sum(devices) AS devices FROM dashboard_online WHERE {STREETS}"),
        ),
        stat(
            "Open tasks · 未完任务",
            sql(
                "SELECT coalesce(sum(tasks) FILTER (WHERE state IN ('queued', 'sent', 'received')"
                f" AND NOT (kind = 'notice' AND state = 'received')), 0) AS tasks {TASKS}"
            ),
        ),
    ],
)

REPORTING = Row(
    "Reporting · 上报情况",
    [
        daily(
            "By collection mode · 按采集模式",
            sql_series(
                f"""
                SELECT {DAY_TIME}, collection AS metric, sum(reports) AS reports {REPORTS}
                GROUP BY day, collection ORDER BY day, collection
                """
            ),
            stacked=True,
            description="market: a contractor's inspectors; self: the street's own.",
        ),
        daily(
            "Emergencies, daily · 每日突发",
            sql_series(
                f"""
                SELECT {DAY_TIME},
                    coalesce(sum(reports) FILTER (WHERE urgency = 'emergency'), 0) AS emergencies
                {REPORTS} GROUP BY day ORDER BY day
                """
            ),
        ),
        table(
            "Streets · 各街道",
            f"""
            SELECT streets.street, streets.collection, coalesce(sum(reports), 0) AS reports,
                coalesce(sum(reports) FILTER (WHERE urgency = 'emergency'), 0) AS emergencies,
                coalesce(sum(reports) FILTER (WHERE simple), 0) AS simple,
                round(100.0 * sum(reports) / nullif(quota, 0), 1) AS quota_percent
            FROM (
                SELECT street, collection, CASE WHEN collection = 'market' THEN
                    {QUOTA} * grids / sum(grids) OVER (PARTITION BY collection) END AS quota
                FROM dashboard_street
            ) AS streets
            LEFT JOIN (SELECT * {REPORTS}) AS counted ON counted.street = streets.street
            WHERE streets.{STREETS}
            GROUP BY streets.street, streets.collection, quota
            ORDER BY reports DESC, streets.street
            """,
            width=16,
            height=12,
            column_units={"quota_percent": "percent"},
            description="A contracted street's part of the quota follows its unit grids: assumed.",
        ),
        table(
            "Collection modes · 采集模式",
            f"""
            SELECT collection, sum(reports) AS reports,
                round(100.0 * sum(reports) / nullif(sum(sum(reports)) OVER (), 0), 1) AS share,
                CASE WHEN collection = 'market' THEN round(100.0 * sum(reports) / {QUOTA}, 1) END
                    AS quota_percent
            {REPORTS} GROUP BY collection ORDER BY collection
            """,
            width=8,
            height=12,
            column_units={"share": "percent", "quota_percent": "percent"},
        ),
        bar_gauge(
            "By urgency and kind · 紧急程度与类别",
            sql(
                f"""
                SELECT urgency || ', ' || kind AS what, sum(reports) AS reports {REPORTS}
                GROUP BY 1 ORDER BY reports DESC
                """
            ),
            width=24,
            height=6,
        ),
    ],
)

TASKING = Row(
    "Tasks · 任务",
    [
        daily(
            "Issued, by state now · 按状态",
            sql_series(
                f"""
                SELECT {DAY_TIME}, state AS metric, sum(tasks) AS tasks {TASKS}
                GROUP BY day, state ORDER BY day, state
                """
            ),
            stacked=True,
        ),
        table(
            "By kind, state and answer · 按类型、状态、答复",
            f"""
            SELECT kind, state, answer, sum(tasks) AS tasks,
                sum(tasks * mean_seconds_to_device)
                    / nullif(sum(tasks) FILTER (WHERE mean_seconds_to_device IS NOT NULL), 0)
                    AS mean_time_to_device
            {TASKS} GROUP BY kind, state, answer ORDER BY tasks DESC
            """,
            column_units={"mean_time_to_device": "s"},
        ),
    ],
)

PRESENCE = Row(
    "Online, and what was not accepted · 在线与隔离",
    [
        table(
            "Online by street · 各街道在线",
            f"""
            SELECT street, transport, gateway, devices FROM dashboard_online WHERE {STREETS}
            ORDER BY devices DESC, street
            """,
        ),
        daily(
            "Quarantine by code · 隔离",
            sql_series(
                f"""
                SELECT {DAY_TIME}, 'code ' || code AS metric, sum(items) AS items
                FROM dashboard_quarantine WHERE {DAYS} GROUP BY day, code ORDER BY day, code
                """
            ),
            stacked=True,
            description="docs/protocol.md lists the codes; docs/operations.md says what to do.",
        ),
    ],
)

FIELD_WORK: Final = Board(
    uid="field-gateway-field-work",
    title="Field gateway: field work · 外勤",
    description="Reports and quota by street and collection mode, emergencies, tasks.",
    since="now-90d",
    refresh="1m",
    variables=[
        Variable(
            name="street",
            label="Street · 街道",
            query="SELECT street FROM dashboard_street ORDER BY street_code",
            is_sql=True,
        ),
        # Published for the four contracted streets and a quarter; put in what holds for you.
        Variable(name="quota", label="Quota in the time range · 定额", query="", text="179685"),
    ],
    rows=[SUMMARY, REPORTING, TASKING, PRESENCE],
)
