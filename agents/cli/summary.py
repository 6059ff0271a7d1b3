"""The last words of a replay: what the numbers say, on one screen and in a plain log alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from agents.replay import Summary
from agents.results import Figures, Point, Series
from schemas.plan.models import Plan
from schemas.times import parse_iso
from streams.catalogue import NO_EVENT, catalogue_of

WIDTH = 100
NARROW = 92
"""In less, panels stand one below the other."""
DAYS = 30
NEWEST_SIGNALS = 5
IDLE_KINDS = 4
NOTHING = "-"

DAU, WAU, MAU = Series("dau", "day"), Series("wau", "trailing_7d"), Series("mau", "trailing_30d")
STICKINESS = Series("stickiness", "day")
AVERAGE_STICKINESS = Series("average_stickiness", "trailing_30d")
ACTIVATED = Series("activated_users", "day")
ACTIVATION_RATE = Series("activation_rate", "day")
ACCOUNTS_30 = Series("active_accounts", "trailing_30d")
TEAMS_7 = Series("accounts_3plus_active", "trailing_7d")
TEAMS_30 = Series("accounts_3plus_active", "trailing_30d")
WEEKLY_RETENTION = Series("user_retention_rate", "week")
MONTHLY_RETENTION = Series("user_retention_rate", "month")
_RETENTION = "cohort_retention"

_BARS, _PLAIN_BARS = "▁▂▃▄▅▆▇█", "_.:-=+*#"
_UNITS_S = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))

_PASSAGES = {"enter": "entered", "leave": "left"}

_SENTENCES: dict[str, Callable[[dict[str, Any]], str]] = {
    "activated": lambda s: f"{s['user']} activated{_after(s['evidence']['lag_seconds'])}",
    "account_user_milestones.enter": lambda s: f"{s['account']} reached {_reach(s, 'user')}",
    "account_activated_user_milestones.enter": lambda s: (
        f"{s['account']} reached {_reach(s, 'activated user')}"
    ),
}


def series_shown(plan: Plan) -> list[Series]:
    """The series that the summary of a plan needs."""
    return [
        *(DAU, WAU, MAU, STICKINESS, AVERAGE_STICKINESS, ACTIVATED, ACTIVATION_RATE),
        *(ACCOUNTS_30, TEAMS_7, TEAMS_30, WEEKLY_RETENTION, MONTHLY_RETENTION),
        *_milestone_series(plan),
        *_retention_series(plan),
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
    if figures.dead_letters:
        console.print(titled("Not read", "yellow", _dead_letters(figures, out)))
    console.print(_closing(plan, out))


def width_of(console: Console) -> None:
    """Gives a console the width that panels are made for."""
    console.width = min(console.width, WIDTH) if console.is_terminal else WIDTH


# ---- panels


def active_users_panel(figures: Figures, bars: str, plan: Plan) -> Panel:
    return titled("Active users", "cyan", _active_users(figures, bars, plan))


def retention_panel(figures: Figures, plan: Plan) -> Panel:
    return titled("Retention", "blue", _retention(figures, plan))


def accounts_panel(figures: Figures, plan: Plan) -> Panel:
    return titled("Accounts", "cyan", _accounts(figures, plan))


def signals_panel(figures: Figures, standing: int, plan: Plan) -> Panel:
    """`standing`: how many there are in all."""
    signals = _signals(figures.newest_signals(NEWEST_SIGNALS), _zone(plan))
    return titled(f"Newest of {standing:,} signals", "magenta", signals)


def _heading(summary: Summary, plan: Plan) -> RenderableType:
    days = summary.figures.points(DAU)
    newest_ms = summary.newest_event_ms
    line = Text()
    if newest_ms is None:
        line.append("no events")
    else:
        last = _date(newest_ms, _zone(plan), year=True)
        first = _date(days[0].start_ms, _zone(plan), year=True) if days else None
        line.append(f"{first} to {last}" if first and first != last else last, "bold")
    line.append(f"   {summary.events:,} events, {summary.facts:,} facts")
    line.append(f"   {summary.events_per_s:,} events/s", "bold green")
    line.append(f" ({summary.seconds:,.1f} s)", "dim")
    return titled(escape(plan.product), "bold white", line)


def _active_users(figures: Figures, bars: str, plan: Plan) -> RenderableType:
    days = figures.points(DAU)
    last = _latest(days)
    return Group(
        rows(
            (_date(last.start_ms, _zone(plan)) if last else "last day", _count(last)),
            ("7 days", _count(_latest(figures.points(WAU)))),
            (f"{DAYS} days", _count(_latest(figures.points(MAU)))),
            ("stickiness, that day", _share(_latest(figures.points(STICKINESS)))),
            (f"stickiness, {DAYS} days", _share(_latest(figures.points(AVERAGE_STICKINESS)))),
        ),
        Text(_last_days(days, bars, DAYS), "cyan"),
    )


def _activation(summary: Summary, bars: str, plan: Plan) -> RenderableType:
    lags, days = summary.lag_seconds, summary.figures.points(ACTIVATED)
    row = catalogue_of(plan).rows.get(ACTIVATION_RATE.kpi)
    within = getattr(row, "within_days", None)
    rate = _pooled(summary.figures.points(ACTIVATION_RATE))
    return Group(
        rows(
            ("activated users", f"{sum(p.value or 0 for p in days):,.0f}" if days else NOTHING),
            (f"rate in {within} days" if within else "rate", _of(rate)),
            ("median time", spoken(lags["median"])),
            ("p90 time", spoken(lags["p90"])),
            ("", ""),
        ),
        Text(_last_days(days, bars, DAYS - 1), "green"),
    )


def _retention(figures: Figures, plan: Plan) -> RenderableType:
    cohorts = zip(plan.kpis.settings.cohort_days, _retention_series(plan), strict=True)
    rolling = (("week to week", WEEKLY_RETENTION), ("month to month", MONTHLY_RETENTION))
    return rows(
        *((f"day {n}", _of(_pooled(figures.points(series)))) for n, series in cohorts),
        *(
            (label, share)
            for label, series in rolling
            if (share := _share(_latest(figures.points(series)))) != NOTHING
        ),
    )


def _accounts(figures: Figures, plan: Plan) -> RenderableType:
    least = plan.kpis.settings.accounts_active_users_min
    return rows(
        (f"active in {DAYS} days", _count(_latest(figures.points(ACCOUNTS_30)))),
        (f"{least}+ users in 7 days", _count(_latest(figures.points(TEAMS_7)))),
        (f"{least}+ users in {DAYS} days", _count(_latest(figures.points(TEAMS_30)))),
        *(
            (f"{series.variant}".removeprefix("users=") + "+ users activated", count)
            for series in _milestone_series(plan)
            if (count := _count(_latest(figures.points(series)))) != NOTHING
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
        # Ids come from events, and so from anybody: they may not talk to the terminal.
        said = "".join(c if c.isprintable() else "?" for c in sentence(signal))
        table.add_row(f"{at.day} {at:%b %H:%M}", escape(said))
    return table


def _dead_letters(figures: Figures, out: Path) -> RenderableType:
    counts = sorted(figures.dead_letters.items(), key=lambda each: -each[1])
    listed = ", ".join(f"[bold]{count:,}[/] {code}" for code, count in counts)
    return Text.from_markup(f"{listed}   (why: {escape(str(out / 'dead_letters.jsonl'))})")


def _closing(plan: Plan, out: Path) -> RenderableType:
    text = Text(style="dim")
    for line in idle_lines(catalogue_of(plan).idle):
        text.append(f" idle  {line}\n")
    text.append(f" files {out}/: kpis.jsonl, signals.jsonl, alerts.jsonl, dead_letters.jsonl, ")
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


# ---- words and numbers


def sentence(signal: dict[str, Any]) -> str:
    """What a signal says.

    >>> sentence({"signal": "account_user_milestones.enter", "variant": "users=3", "account": "a1"})
    'a1 reached 3 users'
    """
    says = _SENTENCES.get(signal["signal"])
    if says is not None:
        return says(signal)
    kpi, _, passage = signal["signal"].rpartition(".")
    if passage in _PASSAGES:
        subject = signal["account"] or signal["user"]
        return f"{subject} {_PASSAGES[passage]} {kpi.replace('_', ' ')}"
    return " ".join(
        str(signal[name])
        for name in ("account", "user", "signal", "variant")
        if signal[name] is not None
    )


def _after(lag_seconds: float | None) -> str:
    if lag_seconds is None:  # no first action is known before it
        return ""
    return f" after {spoken(lag_seconds)}" if round(lag_seconds) else " at once"


def _reach(signal: dict[str, Any], what: str) -> str:
    count = str(signal["variant"]).removeprefix("users=")
    return f"{count} {what}" if count == "1" else f"{count} {what}s"


def spoken(seconds: float | None) -> str:
    """A span of time in its two largest units.

    >>> [spoken(s) for s in (None, 0, 59.4, 61, 3600, 90718)]
    ['-', '0 s', '59 s', '1 min 1 s', '1 h', '1 d 1 h']
    """
    if seconds is None:
        return NOTHING
    left, parts = round(seconds), []
    for unit, size in _UNITS_S:
        count, left = divmod(left, size)
        parts.append((count, unit))
    first = next((i for i, (count, _) in enumerate(parts) if count), len(parts) - 1)
    said = [f"{count} {unit}" for count, unit in parts[first : first + 2] if count]
    return " ".join(said) or f"0 {parts[-1][1]}"


def sparkline(values: Sequence[float], bars: str = _BARS) -> str:
    """A bar for each value, from nothing to the largest.

    >>> sparkline([0, 1, 2, 4])
    '▁▃▅█'
    """
    top = max(values, default=0) or 1
    return "".join(bars[round(value / top * (len(bars) - 1))] for value in values)


def _last_days(days: Sequence[Point], bars: str, most: int) -> str:
    over = [point.value or 0 for point in days if point.over]
    return sparkline(over[-most:], bars)


def bars_of(console: Console) -> str:
    return _BARS if console.encoding.lower().startswith("utf") else _PLAIN_BARS


def _latest(points: Sequence[Point]) -> Point | None:
    """The newest value that is not provisional, else the newest."""
    over = [point for point in points if point.over]
    return next(iter(reversed(over or points)), None)


def _count(point: Point | None) -> str:
    return NOTHING if point is None or point.value is None else f"{point.value:,.0f}"


def _share(point: Point | None) -> str:
    return NOTHING if point is None or point.value is None else f"{point.value:.1%}"


def _pooled(points: Iterable[Point]) -> tuple[float, int]:
    """The share over all cohorts together, and of how many."""
    pairs = [(p.parts.get("numerator") or 0, p.parts.get("denominator") or 0) for p in points]
    whole = sum(denominator for _, denominator in pairs)
    return sum(numerator for numerator, _ in pairs) / whole if whole else 0.0, whole


def _of(rate: tuple[float, int]) -> str:
    share, whole = rate
    return f"{share:.1%} of {whole:,}" if whole else NOTHING


def _zone(plan: Plan) -> tzinfo:
    return UTC if plan.timezone == "UTC" else ZoneInfo(plan.timezone)


def _date(ms: int, zone: tzinfo, *, year: bool = False) -> str:
    moment = datetime.fromtimestamp(ms / 1000, zone)
    return f"{moment.day} {moment:%b %Y}" if year else f"{moment.day} {moment:%b}"


# ---- layout


def titled(title: str, style: str, content: RenderableType) -> Panel:
    return Panel(content, title=f"[bold]{title}[/]", title_align="left", border_style=style)


def side_by_side(console: Console, *panels: Panel) -> RenderableType:
    """Panels of equal height in a row; two are a third and the rest of it."""
    if console.width < NARROW:
        return Group(*panels)
    third = (console.width + 2) // 3
    first, *others = [third] + [third - 1] * (len(panels) - 2)
    widths = [first, *others]
    widths.append(console.width - sum(widths))
    lines = [
        len(console.render_lines(panel, console.options.update(width=width)))
        for panel, width in zip(panels, widths, strict=True)
    ]
    grid = Table.grid()
    for panel, width in zip(panels, widths, strict=True):
        grid.add_column(width=width)
        panel.height = max(lines)
    grid.add_row(*panels)
    return grid


def rows(*rows: tuple[str, str]) -> Table:
    table = Table.grid(expand=True)
    table.add_column()
    table.add_column(justify="right", style="bold")
    for row in rows:
        table.add_row(*map(escape, row))
    return table
