"""Growth: who is active, who stays, who gets to activation, who expands."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import AnnotationQuery, Dashboard, Row

from agents.metrics import PREFIX
from deploy.grafana.panels import (
    BAD,
    SOURCE,
    Limits,
    Line,
    big_number,
    docs_variable,
    empty_dashboard,
    number_lines,
    segment_variable,
    value_lines,
)
from deploy.grafana.queries import JOB, Number, of_all_accounts

WEEKLY, MONTHLY = "trailing_7d", "trailing_30d"
STICKINESS = Limits(odd=0.2, bad=0.1)
"""A fifth of the month's users on a day is what many call sticky."""
QUICK_RATIO = Limits(odd=1, bad=0.8)
"""Below 1 more people leave than come."""


def growth() -> Dashboard:
    return (
        empty_dashboard(
            "Headwater: growth",
            "headwater-growth",
            "Active users, retention, activation and expansion, by periods that are over.",
            since="now-90d",
            refresh="1m",
        )
        .with_variable(segment_variable())
        .with_variable(docs_variable())
        .annotation(_alerts())
        .with_panel(big_number(Number("dau", "day"), "Active users, yesterday").span(4))
        .with_panel(
            big_number(Number("dau", "day", still_going=True), "Active users, today").span(4)
        )
        .with_panel(big_number(Number("mau", MONTHLY), "Active users, 30 days").span(4))
        .with_panel(
            big_number(Number("average_stickiness", MONTHLY), "Stickiness", STICKINESS).span(4)
        )
        .with_panel(
            big_number(
                Number("action_to_activation_lag", "week"), "Time to activation, last week"
            ).span(4)
        )
        .with_panel(
            big_number(Number("activation_rate", "week"), "Activation rate, last week").span(4)
        )
        .with_row(Row("Engagement"))
        .with_panel(
            number_lines(
                "Active users",
                Number("dau", "day", legend="a day"),
                Number("wau", WEEKLY, legend="7 days"),
                Number("mau", MONTHLY, legend="30 days"),
            ).span(12)
        )
        .with_panel(
            number_lines(
                "Stickiness",
                Number("stickiness", "day", legend="a day"),
                Number("average_stickiness", MONTHLY, legend="average of 30 days"),
                limits=STICKINESS,
            ).span(12)
        )
        .with_panel(
            number_lines(
                "Lifecycle",
                Number("lifecycle_new", "week", legend="new"),
                Number("lifecycle_returning", "week", legend="returning"),
                Number("lifecycle_resurrecting", "week", legend="resurrecting"),
                Number("lifecycle_dormant", "week", legend="dormant"),
            ).span(12)
        )
        .with_panel(
            number_lines(
                "Quick ratio", Number("lifecycle_quick_ratio", "week"), limits=QUICK_RATIO
            ).span(12)
        )
        .with_row(Row("Retention"))
        .with_panel(
            number_lines(
                "Retention of weekly cohorts",
                *(
                    Number("cohort_retention", "week", f"n={n}", legend=f"day {n}")
                    for n in (1, 7, 30)
                ),
            ).span(12)
        )
        .with_panel(
            number_lines(
                "Retention from week to week",
                Number("user_retention_rate", "week"),
                Number("user_churn_rate", "week"),
            ).span(12)
        )
        .with_row(Row("Activation"))
        .with_panel(
            number_lines(
                "Time to activation, by the day or week of the first action",
                Number("action_to_activation_lag", "day", legend="daily cohorts, median"),
                Number("action_to_activation_lag", "week", legend="weekly cohorts, median"),
            ).span(12)
        )
        .with_panel(
            value_lines(
                "Time to activation of those activated in seven days",
                "So many of those who were activated in the seven days before had taken no longer. "
                "It rests on the signals: corrections by late events are in the KPI, not here.",
                *(Line(_lag_quantile(q), f"{q:.0%}") for q in (0.5, 0.75, 0.9)),
                unit="s",
            ).span(12)
        )
        .with_panel(
            number_lines("Users activated", Number("activated_users", "day", legend="a day")).span(
                12
            )
        )
        .with_panel(number_lines("Activation rate", Number("activation_rate", "week")).span(12))
        .with_row(Row("Expansion"))
        .with_panel(
            number_lines(
                "Accounts with three users",
                of_all_accounts("accounts_3plus_active", MONTHLY, legend="active in 30 days"),
            ).span(8)
        )
        .with_panel(
            value_lines(
                "Signals",
                "Signals given for the first time. They are on the topic of signals.",
                Line(
                    _given("signals_total", "signal"),
                    "{{signal}}",
                ),
                stacked=True,
            ).span(8)
        )
        .with_panel(
            value_lines(
                "Alerts",
                "Alerts that the plan's rules gave, by what they say: firing, resolved, amended.",
                Line(
                    _given("alerts_total", "rule, state"),
                    "{{rule}} {{state}}",
                ),
                stacked=True,
            ).span(8)
        )
        .with_row(Row("Business"))
        .with_panel(number_lines("MRR, in cents", Number("mrr", "day", legend="MRR")).span(12))
        .with_panel(
            number_lines(
                "What moved MRR in a week, in cents",
                Number("mrr_new", "week", legend="new"),
                Number("mrr_expansion", "week", legend="expansion"),
                Number("mrr_contraction", "week", legend="contraction"),
                Number("mrr_churn", "week", legend="churn"),
            ).span(12)
        )
        .with_panel(
            number_lines(
                "Potential of a week's leads, in cents",
                Number("campaign_pipeline", "week", legend="of campaigns"),
            ).span(12)
        )
        .with_panel(
            number_lines("Tickets", Number("tickets_created", "week", legend="a week")).span(12)
        )
    )


def _given(counter: str, labels: str) -> str:
    return f"sum by ({labels}) (increase({PREFIX}{counter}{{{JOB}}}[$__rate_interval]))"


def _lag_quantile(q: float) -> str:
    buckets = f"increase({PREFIX}activation_lag_seconds_bucket{{{JOB}}}[7d])"
    return f"histogram_quantile({q}, sum by (le) ({buckets}))"


def _alerts() -> AnnotationQuery:
    """A mark across all panels where an alert began to fire."""
    fired = f'increase({PREFIX}alerts_total{{{JOB},state="firing"}}[$__rate_interval])'
    return (
        AnnotationQuery()
        .name("Alerts")
        .datasource(SOURCE)
        .enable(True)
        .icon_color(BAD)
        .expr(f"sum by (rule, severity) ({fired}) > 0")
    )
