"""The last words of a replay: what the numbers say, on one screen and in a plain log alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from agents.cli.groups import group_panels, group_series, idle_groups, likely_rows
from agents.cli.layout import rows, side_by_side, titled, width_of
from agents.cli.words import (
    NOTHING,
    as_count,
    as_share,
    as_share_of,
    bars_of,
    date_of,
    last_days,
    latest,
    pooled,
    printable,
    sentence,
    spoken,
    zone_of,
)
from agents.replay import Summary
from agents.results import Figures, Series
from schemas.plan.models import Plan
from schemas.times import parse_iso
from streams.catalogue import NO_EVENT, catalogue_of, catalogue_rows

DAYS = 30
NEWEST_SIGNALS = 5
IDLE_KINDS = 4

DAU, WAU, MAU = Series("dau", "day"), Series("wau", "trailing_7d"), Series("mau", "trailing_30d")
STICKINESS = Series("stickiness", "day")
AVERAGE_STICKINESS = Series("average_stickiness", "trailing_30d")
ACTIVATED = Series("activated_users", "day")
ACTIVATION_RATE = Series("activation_rate", "day")
QUALIFIED = Series("pql_accounts", "day")
ACCOUNTS_30 = Series("active_accounts", "trailing_30d")
TEAMS_7 = Series("accounts_3plus_active", "trailing_7d")
TEAMS_30 = Series("accounts_3plus_active", "trailing_30d")
WEEKLY_RETENTION = Series("user_retention_rate", "week")
MONTHLY_RETENTION = Series("user_retention_rate", "month")
NET_RETENTION = Series("nrr", "month")
_RETENTION = "cohort_retention"


def series_shown(plan: Plan) -> list[Series]:
    """The series that the summary of a plan needs."""
    return [
        *(DAU, WAU, MAU, STICKINESS, AVERAGE_STICKINESS, ACTIVATED, ACTIVATION_RATE),
        *(ACCOUNTS_30, TEAMS_7, TEAMS_30, WEEKLY_RETENTION, MONTHLY_RETENTION),
        NET_RETENTION,
        QUALIFIED,
        *_milestone_series(plan),
        *_retention_series(plan),
        *group_series(catalogue_of(plan)),
    ]


def _milestone_series(plan: Plan) -> list[Series]:
    reach = plan.milestones.activated_users[:2]
    return [Series("account_activated_user_milestones", "day", f"users={n}") for n in reach]


def _retention_series(plan: Plan) -> list[Series]:
    return [Series(_RETENTION, "day", f"n={n}") for n in plan.kpis.settings.cohort_days]


def show_summary(summary: Summary, plan: Plan, out: Path, console: Console | None = None) -> None:
    """Prints the summary; without colours where that is no terminal."""
    console = console or Console(highlight=False)
    width_of(console)
    figures, bars = summary.figures, bars_of(console)
    console.print(_heading(summary, plan))
    console.print(
        side_by_side(
            console,
            active_users_panel(figures, bars, plan),
            titled("Activation", "green", _activation(summary, bars, plan)),
            retention_panel(figures, plan),
        )
    )
    console.print(
        side_by_side(
            console,
            accounts_panel(figures, plan),
            signals_panel(figures, summary.signals, plan),
        )
    )
    console.print(group_panels(console, figures, catalogue_of(plan)))
    if likely := likely_rows(figures, catalogue_of(plan)):
        console.print(titled("Most likely to", "yellow", _named(likely)))
    if figures.newest_lists:
        console.print(titled("Lists", "magenta", _lists(figures.newest_lists)))
    if figures.dead_letters:
        console.print(titled("Not read", "yellow", _dead_letters(figures, out)))
    console.print(_closing(plan, out))


# ---- panels


def active_users_panel(figures: Figures, bars: str, plan: Plan) -> Panel:
    return titled("Active users", "cyan", _active_users(figures, bars, plan))


def retention_panel(figures: Figures, plan: Plan) -> Panel:
    return titled("Retention", "blue", _retention(figures, plan))


def accounts_panel(figures: Figures, plan: Plan) -> Panel:
    return titled("Accounts", "cyan", _accounts(figures, plan))


def signals_panel(figures: Figures, standing: int, plan: Plan) -> Panel:
    """`standing`: how many there are in all."""
    signals = _signals(figures.newest_signals(NEWEST_SIGNALS), zone_of(plan))
    return titled(f"Newest of {standing:,} signals", "magenta", signals)


def _heading(summary: Summary, plan: Plan) -> RenderableType:
    days = summary.figures.points(DAU)
    newest_ms = summary.newest_event_ms
    line = Text()
    if newest_ms is None:
        line.append("no events")
    else:
        last = date_of(newest_ms, zone_of(plan), year=True)
        first = date_of(days[0].start_ms, zone_of(plan), year=True) if days else None
        line.append(f"{first} to {last}" if first and first != last else last, "bold")
    line.append(f"   {summary.events:,} events, {summary.facts:,} facts")
    line.append(f"   {summary.events_per_s:,} events/s", "bold green")
    line.append(f" ({summary.seconds:,.1f} s)", "dim")
    return titled(escape(plan.product), "bold white", line)


def _active_users(figures: Figures, bars: str, plan: Plan) -> RenderableType:
    days = figures.points(DAU)
    last = latest(days)
    return Group(
        rows(
            (date_of(last.start_ms, zone_of(plan)) if last else "last day", as_count(last)),
            ("7 days", as_count(latest(figures.points(WAU)))),
            (f"{DAYS} days", as_count(latest(figures.points(MAU)))),
            ("stickiness, that day", as_share(latest(figures.points(STICKINESS)))),
            (f"stickiness, {DAYS} days", as_share(latest(figures.points(AVERAGE_STICKINESS)))),
        ),
        Text(last_days(days, bars, DAYS), "cyan"),
    )


def _activation(summary: Summary, bars: str, plan: Plan) -> RenderableType:
    lags, days = summary.lag_seconds, summary.figures.points(ACTIVATED)
    row = catalogue_of(plan).rows.get(ACTIVATION_RATE.kpi)
    within = getattr(row, "within_days", None)
    rate = pooled(summary.figures.points(ACTIVATION_RATE))
    return Group(
        rows(
            ("activated users", f"{sum(p.value or 0 for p in days):,.0f}" if days else NOTHING),
            (f"rate in {within} days" if within else "rate", as_share_of(rate)),
            ("median time", spoken(lags["median"])),
            ("p90 time", spoken(lags["p90"])),
            _qualified(summary.figures),
        ),
        Text(last_days(days, bars, DAYS - 1), "green"),
    )


def _qualified(figures: Figures) -> tuple[str, str]:
    count = as_count(latest(figures.points(QUALIFIED)))
    return ("", "") if count == NOTHING else ("PQL accounts", count)


def _retention(figures: Figures, plan: Plan) -> RenderableType:
    cohorts = zip(plan.kpis.settings.cohort_days, _retention_series(plan), strict=True)
    rolling = (
        ("week to week", WEEKLY_RETENTION),
        ("month to month", MONTHLY_RETENTION),
        ("net revenue", NET_RETENTION),
    )
    return rows(
        *((f"day {n}", as_share_of(pooled(figures.points(series)))) for n, series in cohorts),
        *(
            (label, share)
            for label, series in rolling
            if (share := as_share(latest(figures.points(series)))) != NOTHING
        ),
    )


def _accounts(figures: Figures, plan: Plan) -> RenderableType:
    least = plan.kpis.settings.accounts_active_users_min
    return rows(
        (f"active in {DAYS} days", as_count(latest(figures.points(ACCOUNTS_30)))),
        (f"{least}+ users in 7 days", as_count(latest(figures.points(TEAMS_7)))),
        (f"{least}+ users in {DAYS} days", as_count(latest(figures.points(TEAMS_30)))),
        *(
            (f"{series.variant}".removeprefix("users=") + "+ users activated", count)
            for series in _milestone_series(plan)
            if (count := as_count(latest(figures.points(series)))) != NOTHING
        ),
    )


def _signals(signals: Sequence[dict[str, Any]], zone: tzinfo) -> RenderableType:
    if not signals:
        return Text("none", "dim")
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="ellipsis", no_wrap=True)
    for signal in signals:
        at = datetime.fromtimestamp(parse_iso(signal["at"]) / 1000, zone)
        table.add_row(f"{at.day} {at:%b %H:%M}", escape(printable(sentence(signal))))
    return table


def _lists(lists: Sequence[dict[str, Any]]) -> RenderableType:
    return _named(
        (each["kpi"].replace("_", " "), ", ".join(line["name"] for line in each["top"]))
        for each in lists
    )


def _named(lines: Iterable[tuple[str, str]]) -> RenderableType:
    lines = list(lines)
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True, min_width=max(len(what) for what, _ in lines))
    table.add_column(overflow="ellipsis", no_wrap=True)
    for what, names in lines:
        table.add_row(what, escape(printable(names)))
    return table


def _dead_letters(figures: Figures, out: Path) -> RenderableType:
    counts = sorted(figures.dead_letters.items(), key=lambda each: -each[1])
    listed = ", ".join(f"[bold]{count:,}[/] {code}" for code, count in counts)
    return Text.from_markup(f"{listed}   (why: {escape(str(out / 'dead_letters.jsonl'))})")


def _closing(plan: Plan, out: Path) -> RenderableType:
    text = Text(style="dim")
    catalogue = catalogue_of(plan)
    idle = idle_groups(catalogue)
    for group, reason in idle.items():
        text.append(f" idle  {group}: {reason}\n")
    others = {
        row.id: catalogue.idle[row.id]
        for row in catalogue_rows()
        if row.id in catalogue.idle and row.group not in idle
    }
    for line in idle_lines(others):
        text.append(f" idle  {line}\n")
    text.append(
        f" files {out}/: kpis.jsonl, lists.jsonl, signals.jsonl, alerts.jsonl, dead_letters.jsonl, "
    )
    text.append("summary.json")
    return text


def idle_lines(idle: dict[str, str]) -> list[str]:
    """How many KPIs wait for events, and for which; why others do not run is for `plan check`."""
    wanted = [
        reason.removeprefix(NO_EVENT).split(", ")
        for reason in idle.values()
        if reason.startswith(NO_EVENT)
    ]
    if not wanted:
        return []
    kinds = list(dict.fromkeys(kind for each in wanted for kind in each))
    shown = ", ".join(kinds[:IDLE_KINDS])
    more = f" and {len(kinds) - IDLE_KINDS} more" if len(kinds) > IDLE_KINDS else ""
    return [f"{len(wanted)} KPIs: {NO_EVENT}{shown}{more} (see `headwater plan check`)"]
