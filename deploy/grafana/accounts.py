"""Accounts: how many are active, and how far they have come."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard, Row

from agents.metrics import PREFIX
from deploy.grafana.panels import (
    Line,
    big_number,
    big_value,
    docs_variable,
    empty_dashboard,
    number_lines,
    value_lines,
)
from deploy.grafana.queries import JOB, of_all_accounts

WEEKLY, MONTHLY = "trailing_7d", "trailing_30d"


def accounts() -> Dashboard:
    return (
        empty_dashboard(
            "Headwater: accounts",
            "headwater-accounts",
            "All accounts together. What one account did is on the topics, not in Prometheus.",
            since="now-90d",
            refresh="1m",
        )
        .with_variable(docs_variable())
        .with_panel(
            big_number(
                of_all_accounts("active_accounts", MONTHLY), "Active accounts, 30 days"
            ).span(6)
        )
        .with_panel(
            big_number(
                of_all_accounts("accounts_3plus_active", MONTHLY), "With three active users"
            ).span(6)
        )
        .with_panel(
            big_number(
                of_all_accounts("accounts_3plus_activated_rate", "day"),
                "With three activated users",
            ).span(6)
        )
        .with_panel(
            big_value(
                "Users for each account",
                "Users that are known, of all accounts that are known.",
                f'sum({PREFIX}state_entities{{job="$job",entity="membership"}})'
                f' / sum({PREFIX}state_entities{{job="$job",stage="accounts",entity="account"}})',
            ).span(6)
        )
        .with_row(Row("Activity"))
        .with_panel(
            number_lines(
                "Active accounts",
                of_all_accounts("active_accounts", "day", legend="a day"),
                of_all_accounts("active_accounts", WEEKLY, legend="7 days"),
                of_all_accounts("active_accounts", MONTHLY, legend="30 days"),
            ).span(12)
        )
        .with_panel(
            number_lines(
                "Accounts with three active users",
                of_all_accounts("accounts_3plus_active", WEEKLY, legend="7 days"),
                of_all_accounts("accounts_3plus_active", MONTHLY, legend="30 days"),
            ).span(12)
        )
        .with_row(Row("Expansion"))
        .with_panel(
            number_lines(
                "Accounts that reached a milestone of users",
                *(
                    of_all_accounts("account_user_milestones", "day", f"users={n}", f"{n} users")
                    for n in (1, 3, 5, 10, 25)
                ),
            ).span(12)
        )
        .with_panel(
            number_lines(
                "Accounts with three activated users",
                of_all_accounts("accounts_3plus_activated_rate", "day"),
            ).span(12)
        )
        .with_panel(
            value_lines(
                "Signals about accounts",
                "Signals given for the first time. They are on the topic of signals, by account.",
                Line(
                    f'sum by (signal) (increase({PREFIX}signals_total{{{JOB},signal=~"account.*"}}'
                    "[$__rate_interval]))",
                    "{{signal}}",
                ),
                stacked=True,
            ).span(24)
        )
    )
