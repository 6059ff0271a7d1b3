"""Pipeline: whether the numbers are up to date, and if not, why."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard, Row

from agents.metrics import PREFIX
from deploy.grafana.panels import Limits, Line, big_value, empty_dashboard, value_lines

JOB = '{job="$job"}'
RATE = "[$__rate_interval]"
LATE_S = Limits(odd=300, bad=900)
CHECKPOINT_S = Limits(odd=1, bad=10)
BUSY_RATIO = Limits(odd=0.65, bad=0.7)
DEAD_RATIO = Limits(odd=0.001, bad=0.01)


def pipeline() -> Dashboard:
    return (
        empty_dashboard(
            "Headwater: pipeline",
            "headwater-pipeline",
            "The workers' own health. docs/operations.md says what every metric means and what to "
            "do when it is red.",
            since="now-3h",
            refresh="15s",
        )
        .with_panel(
            big_value(
                "Workers ready",
                "Workers that have their partitions and whose work is durable.",
                f"sum({PREFIX}ready{JOB})",
                limits=Limits(odd=1, bad=0.5),
            ).span(4)
        )
        .with_panel(big_value("Events", "Events read.", _sum("events_total"), unit="eps").span(4))
        .with_panel(
            big_value(
                "Behind",
                "The watermark that is furthest behind the clock.",
                f"max({PREFIX}watermark_age_seconds{JOB})",
                unit="s",
                limits=LATE_S,
            ).span(4)
        )
        .with_panel(
            big_value(
                "Records waiting",
                "Records written and not processed yet, of all topics.",
                f"sum({PREFIX}consumer_lag_records{JOB})",
            ).span(4)
        )
        .with_panel(
            big_value(
                "Events that cannot be used",
                "They are on the topic of dead letters.",
                _dead_ratio(),
                unit="percentunit",
                limits=DEAD_RATIO,
            ).span(4)
        )
        .with_panel(
            big_value(
                "Checkpoint, 99 %",
                "From the snapshot until it was durable.",
                _quantile(0.99, "checkpoint_duration_seconds"),
                unit="s",
                limits=CHECKPOINT_S,
            ).span(4)
        )
        .with_row(Row("Flow"))
        .with_panel(
            value_lines(
                "Events",
                "Events that could be read, by input, and the facts that they meant.",
                Line(_sum("events_total", "input"), "{{input}}"),
                Line(_sum("facts_total", "input"), "{{input}}: facts"),
                unit="eps",
            ).span(8)
        )
        .with_panel(
            value_lines(
                "Dead letters and duplicates",
                "By code; a jump means that a sender has changed. Duplicates do no harm.",
                Line(_sum("dead_letters_total", "code"), "{{code}}"),
                Line(_sum("duplicates_total"), "duplicates"),
                unit="eps",
            ).span(8)
        )
        .with_panel(
            value_lines(
                "Consumer lag",
                "Records not processed yet, by topic. Growing: add workers.",
                Line(f"sum by (topic) ({PREFIX}consumer_lag_records{JOB})", "{{topic}}"),
            ).span(8)
        )
        .with_panel(
            value_lines(
                "Behind the clock",
                "Watermark age by stage. The first stage that is late holds back all after it.",
                Line(f"max by (stage) ({PREFIX}watermark_age_seconds{JOB})", "{{stage}}"),
                unit="s",
                limits=LATE_S,
            ).span(8)
        )
        .with_panel(
            value_lines(
                "Since the newest event",
                "By input. High without lag: senders are silent, or late themselves.",
                Line(f"min by (input) ({PREFIX}event_time_lag_seconds{JOB})", "{{input}}"),
                unit="s",
            ).span(8)
        )
        .with_panel(
            value_lines(
                "Time spent processing",
                "Seconds of each second. Near 0.7 a worker is at its limit.",
                Line(_sum("processing_seconds_total", "instance"), "{{instance}}"),
                unit="percentunit",
                limits=BUSY_RATIO,
            ).span(8)
        )
        .with_row(Row("Checkpoints"))
        .with_panel(
            value_lines(
                "Duration",
                "From the snapshot until it was durable, and the snapshot itself.",
                Line(_quantile(0.5, "checkpoint_duration_seconds"), "50 %"),
                Line(_quantile(0.99, "checkpoint_duration_seconds"), "99 %"),
                Line(_quantile(0.99, "snapshot_duration_seconds"), "snapshot, 99 %"),
                unit="s",
                limits=CHECKPOINT_S,
            ).span(8)
        )
        .with_panel(
            value_lines(
                "Since all work was durable",
                "By worker. Above 30 s it is not ready.",
                Line(f"max by (instance) ({PREFIX}checkpoint_age_seconds{JOB})", "{{instance}}"),
                unit="s",
                limits=Limits(odd=30, bad=60),
            ).span(8)
        )
        .with_panel(
            value_lines(
                "State written",
                "Bytes of state records a second, by stage.",
                Line(_sum("checkpoint_state_bytes_total", "stage"), "{{stage}}"),
                unit="Bps",
            ).span(8)
        )
        .with_row(Row("Workers"))
        .with_panel(
            value_lines(
                "Partitions",
                "Assigned, by stage. Below what the topics have, nobody works on some.",
                Line(f"sum by (stage) ({PREFIX}partitions{JOB})", "{{stage}}"),
            ).span(6)
        )
        .with_panel(
            value_lines(
                "Rebalances and restarts",
                "Partitions lost again and again: workers are too slow, or the broker goes away.",
                Line(f"sum by (kind) (increase({PREFIX}rebalances_total{JOB}{RATE}))", "{{kind}}"),
                Line(f"sum(changes(process_start_time_seconds{JOB}{RATE}))", "restarts"),
            ).span(6)
        )
        .with_panel(
            value_lines(
                "State in memory",
                "By stage and kind. It should grow as users and accounts do, not faster.",
                Line(
                    f"sum by (stage, entity) ({PREFIX}state_entities{JOB})", "{{stage}}: {{entity}}"
                ),
            ).span(6)
        )
        .with_panel(
            value_lines(
                "Memory",
                "Resident memory by worker.",
                Line(f"sum by (instance) (process_resident_memory_bytes{JOB})", "{{instance}}"),
                unit="bytes",
            ).span(6)
        )
    )


def _sum(counter: str, *labels: str) -> str:
    by = f" by ({', '.join(labels)})" if labels else ""
    return f"sum{by} (rate({PREFIX}{counter}{JOB}{RATE}))"


def _dead_ratio() -> str:
    """0 where there never was a dead letter, and so no series."""
    dead = f"({_sum('dead_letters_total')} or vector(0))"
    return f"{dead} / ({dead} + {_sum('events_total')})"


def _quantile(q: float, histogram: str) -> str:
    return f"histogram_quantile({q}, sum by (le) (rate({PREFIX}{histogram}_bucket{JOB}{RATE})))"
