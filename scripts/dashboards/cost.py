"""Cost: what the traffic costs, and what the same work would have cost by SMS.

Bytes and messages come from what was metered; sums of money from bills that the gateways have made.
No money is calculated in a query.
"""

from typing import Any, Final

from scripts.dashboards.board import (
    DAY_TIME,
    DAYS,
    MONTHS,
    YUAN,
    Board,
    Panel,
    Row,
    Target,
    Variable,
    bar_gauge,
    daily,
    lines,
    prom,
    sql,
    sql_series,
    stat,
    table,
)

STREETS: Final = "street IN (${street:sqlstring})"
CHOSEN: Final = "tariff = ${tariff:sqlstring}"


def of_bill(column: str) -> Target:
    """A column of the latest bill under the chosen tariff."""
    return sql(
        f"SELECT {column} FROM dashboard_bill WHERE {CHOSEN} AND {MONTHS}"
        " ORDER BY month DESC LIMIT 1"
    )


def of_usage(expression: str, name: str) -> Target:
    """What was metered in the time range."""
    return sql(f"SELECT {expression} AS {name} FROM dashboard_usage WHERE {DAYS} AND {STREETS}")


def money(title: str, target: Target, **more: Any) -> Panel:
    """A sum, to the cent."""
    return stat(title, target, YUAN, decimals=2, **more)


SUMMARY = Row(
    "Latest month of the time range · 所选时间内最近一月",
    [
        money("This month so far · 本月至今", of_bill("cost"), description="Fees included."),
        money(
            "By SMS it would be · 若用短信",
            sql(
                f"SELECT cost FROM dashboard_bill WHERE is_sms AND {MONTHS}"
                " ORDER BY month DESC, tariff LIMIT 1"
            ),
            description="For the very same reports, confirmations, tasks and answers.",
        ),
        money("Saved · 节省", of_bill("saving")),
        stat("Saved, of the SMS bill · 节省比例", of_bill("saving_percent"), "percent", decimals=1),
        money(
            "A year like this · 全年预计",
            of_bill("a_year"),
            description="The month until now, scaled to a year.",
        ),
        money("Saved in such a year · 全年节省", of_bill("saving_a_year")),
        stat(
            "Yuan per report · 每条费用",
            of_bill("per_report"),
            YUAN,
            decimals=4,
            description="Everything included: fees, heartbeats, acks.",
        ),
        stat(
            "Bytes per report · 每条字节",
            of_usage("(sum(bytes_up) + sum(bytes_down)) / nullif(sum(reports), 0)", "bytes"),
            "bytes",
            description="Both directions, all headers, heartbeats and acks, in the time range.",
        ),
        stat("Reports · 上报数", of_usage("sum(reports)", "reports")),
        stat("Traffic · 流量", of_usage("sum(bytes_up) + sum(bytes_down)", "bytes"), "bytes"),
        stat(
            "SMS segments avoided · 免发短信",
            of_usage("sum(segments_up) + sum(segments_down)", "segments"),
        ),
        stat("Connections · 连接数", of_usage("sum(connections)", "connections")),
    ],
)

BY_TIME = Row(
    "By day · 按日",
    [
        daily(
            "Cost, chosen tariff and SMS · 每日费用",
            sql_series(
                f"""
                SELECT {DAY_TIME}, tariff AS metric, cost FROM dashboard_bill_by_day
                WHERE {DAYS} AND ({CHOSEN} OR is_sms) ORDER BY day, tariff
                """
            ),
            YUAN,
            description="Fees are spread evenly over the days on which a card was used.",
        ),
        daily(
            "Bytes per report, daily · 每日每条字节",
            sql_series(
                f"""
                SELECT {DAY_TIME},
                    (sum(bytes_up) + sum(bytes_down)) / nullif(sum(reports), 0) AS bytes_per_report
                FROM dashboard_usage WHERE {DAYS} AND {STREETS} GROUP BY day ORDER BY day
                """
            ),
            "bytes",
        ),
        daily(
            "Traffic by direction · 上下行流量",
            sql_series(
                f"""
                SELECT {DAY_TIME}, sum(bytes_up) AS up, sum(bytes_down) AS down FROM dashboard_usage
                WHERE {DAYS} AND {STREETS} GROUP BY day ORDER BY day
                """
            ),
            "bytes",
            stacked=True,
        ),
        daily(
            "SMS segments avoided, daily · 每日免发短信",
            sql_series(
                f"""
                SELECT {DAY_TIME}, sum(segments_up) AS up, sum(segments_down) AS down
                FROM dashboard_usage WHERE {DAYS} AND {STREETS} GROUP BY day ORDER BY day
                """
            ),
            stacked=True,
        ),
    ],
)

MONEY: Final = dict.fromkeys(
    ("cost", "saving", "a_year", "saving_a_year", "budget", "spent", "projected"), YUAN
)

BY_WHAT = Row(
    "By tariff, street and transport · 按资费、街道、方式",
    [
        table(
            "All tariffs · 各资费",
            f"""
            SELECT month, name, cost, saving, saving_percent, per_report, a_year, saving_a_year,
                assumption, through
            FROM dashboard_bill WHERE {MONTHS} ORDER BY month DESC, is_sms DESC, cost DESC
            """,
            width=24,
            column_units={**MONEY, "saving_percent": "percent", "per_report": YUAN},
            description="'assumption': at least one of its prices is an assumption of ours.",
        ),
        bar_gauge(
            "Cost by street · 各街道费用",
            sql(
                f"""
                SELECT street, sum(cost) AS cost FROM dashboard_bill_by_street
                WHERE {CHOSEN} AND {MONTHS} AND {STREETS} GROUP BY street ORDER BY cost DESC
                """
            ),
            YUAN,
            width=8,
            height=10,
        ),
        table(
            "Usage by street · 各街道用量",
            f"""
            SELECT street, collection, sum(reports) AS reports,
                sum(bytes_up) + sum(bytes_down) AS bytes,
                (sum(bytes_up) + sum(bytes_down)) / nullif(sum(reports), 0) AS bytes_per_report,
                sum(segments_up) + sum(segments_down) AS sms_segments
            FROM dashboard_usage WHERE {DAYS} AND {STREETS}
            GROUP BY street, collection ORDER BY bytes DESC
            """,
            width=16,
            height=10,
            column_units={"bytes": "bytes", "bytes_per_report": "bytes"},
        ),
        table(
            "Usage by transport · 各方式用量",
            f"""
            SELECT coalesce(transport, 'tasks') AS transport, sum(reports) AS reports,
                sum(connections) AS connections, sum(bytes_up) AS bytes_up,
                sum(bytes_down) AS bytes_down,
                (sum(bytes_up) + sum(bytes_down)) / nullif(sum(reports), 0) AS bytes_per_report
            FROM dashboard_usage WHERE {DAYS} AND {STREETS} GROUP BY 1 ORDER BY 1
            """,
            column_units=dict.fromkeys(("bytes_up", "bytes_down", "bytes_per_report"), "bytes"),
        ),
        lines(
            "Metered now · 当前计量",
            [
                prom(
                    "sum by (transport, way) (rate(gateway_meter_bytes_total[$__rate_interval]))",
                    "{{transport}} {{way}}",
                )
            ],
            "Bps",
            width=12,
        ),
    ],
)

BUDGETS = Row(
    "Budgets · 预算",
    [
        lines(
            "All devices together, this month · 本月合计",
            [
                prom("max(gateway_budget_spent)", "spent"),
                prom("max(gateway_budget_projected)", "projected"),
                prom("max(gateway_budget_allowed)", "budget"),
            ],
            YUAN,
            minimum=0,
            width=16,
            description="Under the tariff of the setting cost.tariff. Budget 0: there is none.",
        ),
        stat(
            "Devices over their budget · 超支终端",
            prom("max(gateway_budget_exceeding_devices)"),
            width=8,
            height=8,
            thresholds=((1, "orange"),),
            description="On the way to it, or there already.",
        ),
        table(
            "On the way over the budget · 预计超支",
            f"""
            SELECT month, coalesce(device_id::text, 'all') AS device, label, street, budget, spent,
                projected, noticed_at, tariff
            FROM dashboard_budget_warning WHERE {MONTHS} ORDER BY noticed_at DESC LIMIT 200
            """,
            width=24,
            column_units=MONEY,
            description="A line for each device and month, when it was noticed first.",
        ),
    ],
)

COST: Final = Board(
    uid="field-gateway-cost",
    title="Field gateway: cost · 费用",
    description="What the traffic costs, beside the same work by SMS.",
    since="now-30d",
    refresh="5m",
    variables=[
        Variable(
            name="tariff",
            label="Tariff · 资费",
            query="SELECT DISTINCT tariff FROM dashboard_bill WHERE NOT is_sms ORDER BY 1",
            is_sql=True,
            multi=False,
            default="gprs-2006-plan-20",
        ),
        Variable(
            name="street",
            label="Street · 街道",
            query="SELECT street FROM dashboard_street ORDER BY street_code",
            is_sql=True,
        ),
    ],
    rows=[SUMMARY, BY_TIME, BY_WHAT, BUDGETS],
)
