"""Operations: is everything well, and if not, where? From metrics; the ledger from PostgreSQL."""

from typing import Final

from scripts.dashboards.board import (
    DAYS,
    Board,
    Row,
    Variable,
    bar_gauge,
    lines,
    prom,
    stat,
    table,
)

HERE: Final = 'instance=~"$gateway"'
RATE: Final = "[$__rate_interval]"


def rate(metric: str, by: str) -> str:
    """So many a second, of the chosen gateways together."""
    return f"sum by ({by}) (rate({metric}{{{HERE}}}{RATE}))"


def quantile(share: float, metric: str, by: str = "") -> str:
    """The value that this share of the observations do not exceed."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, sum by ({labels}) (rate({metric}_bucket{{{HERE}}}{RATE})))"


STATE = Row(
    "Now · 当前",
    [
        stat(
            "Gateways up · 在线网关",
            prom(f'sum(up{{job="field-gateway", {HERE}}})'),
            description="Processes that answer Prometheus.",
            thresholds=((0, "red"), (1, "green")),
        ),
        stat(
            "Database · 数据库",
            prom(f"min(gateway_database_ready{{{HERE}}})"),
            "bool_yes_no",
            description="Whether PostgreSQL answers every gateway and can be written to.",
            thresholds=((0, "red"), (1, "green")),
        ),
        stat(
            "Alerts firing · 告警",
            prom('count(ALERTS{alertstate="firing"}) or vector(0)'),
            description="docs/operations.md has a section on each.",
            thresholds=((1, "red"),),
        ),
        stat(
            "Devices online · 在线终端",
            prom(f"sum(gateway_devices_online{{{HERE}}})"),
            description="Welcomed and not left. Over MQTT: until they say goodbye.",
        ),
        stat(
            "Stored · 入库",
            prom(f"sum(rate(gateway_stored_total{{{HERE}}}{RATE}))"),
            "cps",
            description="New rows: reports and tracks.",
        ),
        stat(
            "Ack, 99 of 100 within · 99% 确认时延",
            prom(quantile(0.99, "gateway_ack_seconds")),
            "s",
            description="From a frame received to its ack, which comes after the commit.",
            thresholds=((1, "orange"), (5, "red")),
        ),
    ],
)

WORK = Row(
    "Throughput and latency · 吞吐与时延",
    [
        lines(
            "Items by what became of them · 去向",
            [
                prom(rate(f"gateway_{fate}_total", "job"), fate)
                for fate in ("stored", "duplicate", "quarantined", "refused", "given_up")
            ],
            "cps",
            stacked=True,
            description="Repetitions are normal after lost links.",
        ),
        lines(
            "Stored by transport · 按传输方式入库",
            [prom(rate("gateway_stored_total", "transport"), "{{transport}}")],
            "cps",
        ),
        lines(
            "Ack latency · 确认时延",
            [
                prom(quantile(0.5, "gateway_ack_seconds", "transport"), "{{transport}} 50 %"),
                prom(quantile(0.99, "gateway_ack_seconds", "transport"), "{{transport}} 99 %"),
            ],
            "s",
            minimum=0,
        ),
        lines(
            "Transactions · 事务时长",
            [
                prom(quantile(0.5, "gateway_batch_seconds"), "50 %"),
                prom(quantile(0.99, "gateway_batch_seconds"), "99 %"),
            ],
            "s",
            minimum=0,
            description="Rises: disk, locks or checkpoints of PostgreSQL.",
        ),
        lines(
            "Items in a transaction · 每批条数",
            [
                prom(
                    f"sum(rate(gateway_batch_items_sum{{{HERE}}}{RATE}))"
                    f" / sum(rate(gateway_batch_items_count{{{HERE}}}{RATE}))",
                    "mean",
                )
            ],
        ),
        lines(
            "Bytes on the links · 链路字节",
            [prom(rate("gateway_meter_bytes_total", "transport, way"), "{{transport}} {{way}}")],
            "Bps",
            description="All headers of TCP and IP included.",
        ),
    ],
)

LEDGER = Row(
    "Ledger · 收支账",
    [
        lines(
            "Not accounted for · 账面差额",
            [
                prom(
                    f"instance_transport:gateway_ledger_gap:items{{{HERE}}}",
                    "{{instance}} {{transport}}",
                )
            ],
            description="Received less everything that became of it. Must be 0.",
        ),
        lines(
            "In flight · 处理中",
            [prom(f"sum by (transport) (gateway_in_flight{{{HERE}}})", "{{transport}}")],
            description="High and flat: the database is away or slow.",
        ),
        table(
            "Ledger of the database by day · 数据库日账",
            f"""
            SELECT day, gateway, transport::text, received, stored, duplicate, quarantined, refused,
                received - stored - duplicate - quarantined - refused AS difference
            FROM ledger_by_day WHERE {DAYS} ORDER BY day DESC, gateway, transport
            """,
            width=24,
            description="Exact, over all gateways; 'difference' must be 0.",
        ),
    ],
)

SESSIONS = Row(
    "Sessions · 会话",
    [
        lines(
            "Devices by gateway · 各网关终端",
            [prom(f"gateway_devices_online{{{HERE}}}", "{{instance}}")],
        ),
        lines(
            "Sessions opened and closed · 建立与结束",
            [
                prom(rate("gateway_sessions_opened_total", "transport"), "opened {{transport}}"),
                prom(rate("gateway_sessions_closed_total", "reason"), "closed: {{reason}}"),
            ],
            "cps",
        ),
        lines(
            "Turned away · 拒绝",
            [
                prom(rate("gateway_not_admitted_total", "transport"), "refused {{transport}}"),
                prom(rate("gateway_turned_away_total", "transport"), "no room {{transport}}"),
                prom(rate("gateway_bad_topics_total", "job"), "bad topics"),
            ],
            "cps",
            description="Refused: unknown, revoked, or wrong proof. The log names the device.",
        ),
    ],
)

QUEUES = Row(
    "Queues · 队列",
    [
        bar_gauge(
            "How full · 占用比例",
            prom(
                f"max by (queue) (instance_queue:gateway_queue_fill:ratio{{{HERE}}})", "{{queue}}"
            ),
            "percentunit",
            minimum=0,
            maximum=1,
            thresholds=((0.5, "yellow"), (0.8, "red")),
        ),
        lines(
            "What waits · 排队数量",
            [prom(f"sum by (queue) (gateway_queue_depth{{{HERE}}})", "{{queue}}")],
        ),
        lines(
            "Sources have to wait · 反压",
            [prom(f"avg_over_time(gateway_batcher_full{{{HERE}}}[5m])", "{{instance}}")],
            "percentunit",
            minimum=0,
            maximum=1,
            description="Share of the time in which the batcher had no room.",
        ),
    ],
)

RELAY = Row(
    "Events and tasks · 事件与任务",
    [
        lines(
            "Lag of events · 事件滞后",
            [prom("max(gateway_relay_lag_seconds)", "lag")],
            "s",
            minimum=0,
            description="In a storm of reports it rises and falls afterwards.",
        ),
        lines(
            "Reports that wait · 待发布与待计数",
            [
                prom("max(gateway_relay_waiting_reports)", "to be published"),
                prom("max(gateway_counting_waiting_reports)", "to be counted"),
            ],
        ),
        lines(
            "Events published · 已发布事件",
            [prom(rate("gateway_events_published_total", "lane"), "{{lane}}")],
            "cps",
        ),
        lines(
            "Connections for events, and who leads · 事件连接",
            [
                prom(f"gateway_events_connected{{{HERE}}}", "connected {{instance}}"),
                prom(f"gateway_relay_leads{{{HERE}}}", "leads {{instance}}"),
            ],
            minimum=0,
            maximum=1,
        ),
        lines(
            "Tasks · 任务",
            [
                prom(rate("gateway_tasks_sent_total", "job"), "sent"),
                prom(rate("gateway_task_replies_total", "fate"), "{{fate}}"),
                prom(rate("gateway_tasks_expired_total", "job"), "expired"),
            ],
            "cps",
        ),
        lines(
            "Bugs of ours · 程序错误",
            [prom(f"increase(instance:gateway_failures:sum{{{HERE}}}[1h])", "{{instance}}")],
            description="In the hour before. Report the log lines at level error.",
        ),
    ],
)

PROCESS = Row(
    "Processes · 进程",
    [
        lines(
            "Processor · 处理器",
            [
                prom(
                    f'rate(process_cpu_seconds_total{{job="field-gateway", {HERE}}}{RATE})',
                    "{{instance}}",
                )
            ],
            "percentunit",
            description="Of one core; the gateway cannot use more.",
        ),
        lines(
            "Memory · 内存",
            [
                prom(
                    f'process_resident_memory_bytes{{job="field-gateway", {HERE}}}',
                    "{{instance}}",
                )
            ],
            "bytes",
            minimum=0,
        ),
        lines(
            "Version · 版本",
            [prom(f"sum by (version) (gateway_build_info{{{HERE}}})", "{{version}}")],
            description="How many gateways run which version.",
        ),
    ],
)

OPERATIONS: Final = Board(
    uid="field-gateway-operations",
    title="Field gateway: operations · 运行",
    description="Whether everything is well, and if not, where to look.",
    since="now-6h",
    refresh="30s",
    variables=[
        Variable(
            name="gateway",
            label="Gateway · 网关",
            query="label_values(gateway_build_info, instance)",
        )
    ],
    rows=[STATE, WORK, LEDGER, SESSIONS, QUEUES, RELAY, PROCESS],
)
