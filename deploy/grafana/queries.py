"""What dashboards ask Prometheus, in the variables that every dashboard has.

`$job` tells installations apart; the history that `headwater export` writes has none and belongs to
all of them. Values are the last within a step, so that a sample a day makes a line, too.
"""

from __future__ import annotations

from typing import NamedTuple

from agents.metrics import KPI_CLOSED_VALUE, KPI_VALUE, PREFIX
from schemas.rows import Row
from streams.catalogue import catalogue_rows
from streams.measures.kinds import ALL

ROWS: dict[str, Row] = {row.id: row for row in catalogue_rows()}
JOB = 'job=~"$job|"'
SEGMENT = "$segment"
UNITS = {"ratio": "percentunit", "seconds": "s"}
"""Grafana's name of a unit of the catalogue; the others count something."""


class Number(NamedTuple):
    """A KPI of the company in one kind of period."""

    kpi: str
    period: str
    variant: str = ""
    segment: str = SEGMENT
    still_going: bool = False
    """The period that goes on, instead of the newest one that is over."""
    legend: str = ""

    @property
    def row(self) -> Row:
        return ROWS[self.kpi]

    @property
    def unit(self) -> str:
        return UNITS.get(self.row.unit, "short")

    @property
    def query(self) -> str:
        gauge = PREFIX + (KPI_VALUE if self.still_going else KPI_CLOSED_VALUE).name
        labels = {
            "kpi": self.kpi,
            "variant": self.variant,
            "segment": self.segment,
            "period": self.period,
        }
        matchers = ",".join([JOB, *(f'{label}="{value}"' for label, value in labels.items())])
        return f"max(last_over_time({gauge}{{{matchers}}}[$__rate_interval]))"


def of_all_accounts(kpi: str, period: str, variant: str = "", legend: str = "") -> Number:
    """A KPI about accounts, which belong to no segment."""
    return Number(kpi, period, variant, ALL, legend=legend)


def definition(number: Number) -> str:
    """What a number means, as the catalogue says it (Markdown)."""
    row = number.row
    return f"**{row.name}.** {row.definition}"


def page_of(number: Number) -> str:
    """Where the documentation defines a number, under the variable `docs`."""
    return f"${{docs}}/kpis/{number.row.group}.md#{number.kpi}"
