"""The picture of the live demo: the numbers of a company as they stand, and what is told of it."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import orjson
from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from agents.cli.findings import findings
from agents.cli.groups import group_lines, likely_line, predictions_of
from agents.cli.layout import rows, side_by_side, titled, width_of
from agents.cli.summary import (
    accounts_panel,
    active_users_panel,
    retention_panel,
    series_shown,
    signals_panel,
)
from agents.cli.words import bars_of, printable, sparkline
from agents.company import incidents
from agents.live_company import LiveCompany
from agents.results import Figures, Series
from schemas.outputs import ALERTS
from schemas.plan.models import Plan
from streams.catalogue import catalogue_of
from streams.stage import Outgoing

NEWEST = 6
LAG = Series("action_to_activation_lag", "day")
NEW, RETURNING, DORMANT = (
    Series(f"lifecycle_{name}", "week") for name in ("new", "returning", "dormant")
)
COLOURS = {"critical": "bold red", "warning": "yellow", "info": "cyan"}
MARKS = {"firing": "●", "resolved": "○", "disproved": "×"}
LAG_DAYS = 29


class View:
    """Takes what the pipeline writes, and draws it."""

    def __init__(self, plan: Plan, company: LiveCompany, days: int, console: Console) -> None:
        self._plan, self._company, self._days, self._console = plan, company, days, console
        self._catalogue = catalogue_of(plan)
        self.figures = Figures([*series_shown(plan), LAG, NEW, RETURNING, DORMANT])
        self.alerts: dict[str, dict[str, Any]] = {}
        """Data of each alert as it was told last, by id."""
        self._started_s = time.monotonic()

    def take(self, records: list[Outgoing]) -> None:
        self.figures.take(records)
        for record in records:
            if record.role == ALERTS and record.value is not None:
                data = orjson.loads(record.value)["data"]
                self.alerts[data["id"]] = data

    # ---- while it runs

    def picture(self) -> RenderableType:
        console, plan, figures = self._console, self._plan, self.figures
        width_of(console)
        return Group(
            self._heading(),
            side_by_side(
                console,
                active_users_panel(figures, bars_of(console), plan),
                titled("Activation lag", "green", self._lag()),
                retention_panel(figures, plan),
            ),
            side_by_side(
                console,
                accounts_panel(figures, plan),
                signals_panel(figures, figures.standing, plan),
            ),
            titled("Business", "yellow", self._business()),
            titled("Alerts", "red", self._alerts()),
        )

    def line(self) -> str:
        """The same in one line, for a log."""
        return (
            f"{self._day():%d %b %Y}  {self._company.calls:,} events, "
            f"{self.figures.standing:,} signals, {len(self.alerts)} alerts"
        )

    def _day(self) -> datetime:
        return datetime.fromtimestamp(self._company.now_ms / 1000, UTC)

    def _heading(self) -> RenderableType:
        day, elapsed_s = self._day(), max(time.monotonic() - self._started_s, 0.1)
        text = Text(f"{day.day} {day:%b %Y %H:%M}", "bold")
        text.append(f"   {self._company.calls:,} events, {self._company.facts:,} facts")
        text.append(f"   {self._company.calls / elapsed_s:,.0f} events/s", "green")
        return titled(escape(self._plan.product), "bold white", text)

    def _lag(self) -> RenderableType:
        """Median of each cohort of a day, and how the cohorts spread."""
        points = [p for p in self.figures.points(LAG) if p.parts.get("median") is not None]
        hours = [p.parts["median"] / 3600 for p in points]
        counts = [sum(low <= h < high for h in hours) for low, high in _BUCKETS]
        spread = sparkline(counts, bars_of(self._console)) if hours else ""
        newest = f"{hours[-1]:,.1f} h" if hours else "-"
        medians = sparkline(hours[-LAG_DAYS:], bars_of(self._console))
        lifecycle = [self.figures.points(series) for series in (NEW, RETURNING, DORMANT)]
        shown = ["-" if not each else f"{each[-1].value or 0:,.0f}" for each in lifecycle]
        return Group(
            rows(
                ("median, newest cohort", newest),
                ("cohorts <1h 6h 1d 3d", spread),
                ("new users, this week", shown[0]),
                ("returning", shown[1]),
                ("gone dormant", shown[2]),
            ),
            Text(medians, "green"),
        )

    def _business(self) -> RenderableType:
        groups = group_lines(self.figures, self._catalogue)
        if not predictions_of(self._catalogue):
            return groups
        return Group(groups, likely_line(self.figures, self._catalogue))

    def _alerts(self) -> RenderableType:
        newest = sorted(self.alerts.values(), key=lambda data: str(data["at"]), reverse=True)
        if not newest:
            return Text("none so far", "dim")
        return alert_table(newest[:NEWEST])

    # ---- at the end

    def ending(self) -> RenderableType:
        """Which alert found which incident."""
        standing = [data for data in self.alerts.values() if data["state"] != "disproved"]
        came_to = self._company.now_ms
        planted = [each for each in incidents(self._days) if each.started_ms <= came_to]
        result = findings(planted, standing)
        table = Table.grid(padding=(0, 2))
        for incident, alert in result.found:
            mark = Text("found" if alert else "missed", "bold green" if alert else "bold red")
            what = incident.what + (f" ({incident.account})" if incident.account else "")
            by = f"{alert['rule']}, {str(alert['at'])[:10]}: {alert['title']}" if alert else ""
            table.add_row(mark, f"{incident.record()['from']} {what}", Text(by, "dim"))
        for alert in result.false:
            table.add_row(Text("false", "bold yellow"), "", Text(str(alert["title"]), "dim"))
        count = sum(alert is not None for _, alert in result.found)
        said = f"{count} of {len(result.found)} planted incidents found"
        said += f", {len(result.false)} false alerts"
        return Panel(table, title=f"[bold]{said}[/]", title_align="left", border_style="green")


_BUCKETS = ((0, 1), (1, 6), (6, 24), (24, 72), (72, 1e9))
"""Hours."""


def alert_table(alerts: list[dict[str, Any]]) -> Table:
    """A line for each alert: state, when, how bad, and its title."""
    table = Table.grid(padding=(0, 2))
    table.add_column(min_width=1)
    table.add_column(style="dim", min_width=len("2025-09-01 00:00"))
    table.add_column(min_width=max(len(data["rule"]) for data in alerts))
    table.add_column(overflow="ellipsis", no_wrap=True)
    for data in alerts:
        colour = COLOURS[data["severity"]] if data["state"] == "firing" else "dim"
        table.add_row(
            Text(MARKS[data["state"]], colour),
            str(data["at"])[:16].replace("T", " "),
            Text(data["rule"], colour),
            Text(printable(str(data["title"])), colour),
        )
    return table
