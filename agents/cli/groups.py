"""A few numbers of each group of the catalogue: panels for the summary, lines for the demo."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from agents.cli.layout import rows, side_by_side, titled
from agents.cli.words import (
    NOTHING,
    as_count,
    as_share,
    as_share_of,
    latest,
    pooled,
    printable,
    spoken,
)
from agents.results import EACH, Figures, Point, Series
from schemas.row_forms.comparing import PredictionRow
from streams.catalogue import GROUPS, NO_EVENT, Catalogue, catalogue_rows

OWN_PANELS = ("engagement", "activation", "retention")
"""Groups that have panels of their own, and no place here while anything of them runs."""
IN_A_ROW = 3
IDLE_KINDS = 3
MINOR_UNITS = 100


class Number(NamedTuple):
    label: str
    series: Series
    said: Callable[[list[Point]], str]
    """Of a series that stands for every name, what is said of one of them."""
    short: str | None = None
    """What it is called in the demo; None: it is not shown there."""

    def of(self, figures: Figures) -> str:
        if self.series.variant != EACH:
            return self.said(figures.points(self.series))
        newest = {name: latest(points) for name, points in figures.names(self.series).items()}
        known = {name: each.value for name, each in newest.items() if each and each.value}
        if not known:
            return NOTHING
        strongest = max(known, key=lambda name: abs(known[name]))
        name = printable(strongest.partition("=")[2] or strongest)
        return f"{name} {self.said(figures.names(self.series)[strongest])}"


def _amount(points: list[Point]) -> str:
    point = latest(points)
    if point is None or point.value is None:
        return NOTHING
    return f"{point.value / MINOR_UNITS:,.0f}"


def _count(points: list[Point]) -> str:
    return as_count(latest(points))


def _percent(points: list[Point]) -> str:
    return as_share(latest(points))


def _cohorts(points: list[Point]) -> str:
    """Over all cohorts that are old enough."""
    return as_share_of(pooled(points))


def _decimal(points: list[Point]) -> str:
    point = latest(points)
    return NOTHING if point is None or point.value is None else f"{point.value:,.1f}"


def _correlation(points: list[Point]) -> str:
    point = latest(points)
    return NOTHING if point is None or point.value is None else f"{point.value:+.2f}"


def _span(points: list[Point]) -> str:
    point = latest(points)
    return spoken(point.value if point else None)


def _ms(points: list[Point]) -> str:
    point = latest(points)
    return NOTHING if point is None or point.value is None else f"{point.value * 1000:,.0f} ms"


MONTH, WEEK, DAY, LAST_30 = "month", "week", "day", "trailing_30d"
NUMBERS: dict[str, tuple[Number, ...]] = {
    "expansion": (
        Number("sold to customers", Series("expansion_revenue", WEEK), _amount, "sold"),
        Number("opportunities, week", Series("opportunities_total", WEEK), _count, "chances"),
        Number("converted", Series("opportunity_conversion_rate", WEEK), _cohorts),
        Number("users who refer", Series("referral_rate", LAST_30), _percent),
        Number("of referrals", Series("referral_conversion_rate", MONTH), _cohorts),
    ),
    "revenue": (
        Number("MRR", Series("mrr", DAY), _amount, "MRR"),
        Number("paying accounts", Series("paying_accounts", DAY), _count, "paying"),
        Number("revenue, 30 days", Series("revenue", LAST_30), _amount),
        Number("margin, month", Series("margin_rate", MONTH), _percent),
        Number("CAC, month", Series("cac", MONTH), _amount),
        Number("LTV / CAC, month", Series("ltv_cac", MONTH), _decimal),
    ),
    "sales": (
        Number("customers", Series("customers_total", DAY), _count, "customers"),
        Number("new leads, week", Series("new_leads", WEEK), _count, "leads"),
        Number("leads to MQL", Series("lead_to_mql_rate", WEEK), _cohorts),
        Number("MQL to SQL", Series("mql_to_sql_rate", WEEK), _cohorts),
        Number("leads won", Series("lead_to_customer_rate", WEEK), _cohorts),
        Number("of campaigns", Series("campaign_pipeline", WEEK), _amount),
    ),
    "marketing": (
        Number("reach, week", Series("reach", WEEK), _count, "reach"),
        Number("of the target group", Series("qualified_reach", WEEK), _count),
        Number("mentions, week", Series("mentions", WEEK), _count, "mentions"),
        Number("guides viewed, week", Series("guide_views", WEEK), _count),
    ),
    "satisfaction": (
        Number("NPS, 30 days", Series("nps", LAST_30), _decimal, "NPS"),
        Number("use and NPS", Series("feature_nps_correlation", LAST_30, EACH), _correlation),
        Number("promoters", Series("nps_promoters", DAY), _count),
        Number("detractors", Series("nps_detractors", DAY), _count),
        Number("CSAT, 30 days", Series("csat", LAST_30), _percent, "CSAT"),
        Number("effort score, week", Series("ces", WEEK), _decimal),
    ),
    "support": (
        Number("tickets, week", Series("tickets_created", WEEK), _count, "tickets"),
        Number("first answer, week", Series("first_response_time", WEEK), _span, "answered"),
    ),
    "quality": (
        Number("response time, day", Series("response_time", DAY), _ms, "answers in"),
        Number("new defects, week", Series("defects_new", WEEK), _count, "defects"),
        Number("resolved in, week", Series("defect_resolve_time", WEEK), _span),
        Number("downtimes, week", Series("downtime_frequency", WEEK), _count),
    ),
    "outcomes": (
        Number("time saved, week", Series("time_saved", WEEK), _span, "saved"),
        Number("earned, week", Series("user_revenue_generated", WEEK), _amount),
        Number("projects, week", Series("projects_started", WEEK), _count, "projects"),
        Number("completed", Series("project_completion_rate", WEEK), _cohorts),
    ),
    "delivery": (
        Number("features shipped, week", Series("feature_velocity", WEEK), _count, "shipped"),
        Number("this year", Series("feature_velocity", "year_to_date"), _count, "this year"),
    ),
}


def numbers_of(catalogue: Catalogue, group: str) -> list[Number]:
    """Those that the plan computes."""
    running = catalogue.rows
    return [
        number
        for number in NUMBERS.get(group, ())
        if number.series.kpi in running
        and number.series.period in running[number.series.kpi].periods
    ]


def group_series(catalogue: Catalogue) -> list[Series]:
    numbers = [number.series for group in NUMBERS for number in numbers_of(catalogue, group)]
    return [*numbers, *predictions_of(catalogue)]


def idle_groups(catalogue: Catalogue) -> dict[str, str]:
    """Group of which nothing runs -> why not."""
    return dict(_idle_groups(catalogue))


def _idle_groups(catalogue: Catalogue) -> Iterator[tuple[str, str]]:
    for group in GROUPS:
        if any(row.group == group for row in catalogue.rows.values()):
            continue
        reasons = [catalogue.idle[row.id] for row in catalogue_rows() if row.group == group]
        missing = [r.removeprefix(NO_EVENT).split(", ") for r in reasons if r.startswith(NO_EVENT)]
        if not missing:
            yield group, reasons[0]
            continue
        kinds = list(dict.fromkeys(kind for each in missing for kind in each))
        more = f" and {len(kinds) - IDLE_KINDS} more" if len(kinds) > IDLE_KINDS else ""
        yield group, NO_EVENT + ", ".join(kinds[:IDLE_KINDS]) + more


# ---- at the end: panels


def group_panels(console: Console, figures: Figures, catalogue: Catalogue) -> RenderableType:
    """A panel for each group that has numbers."""
    panels = [
        _panel(group, numbers, figures)
        for group in GROUPS
        if (numbers := numbers_of(catalogue, group))
    ]
    in_rows = [panels[n : n + IN_A_ROW] for n in range(0, len(panels), IN_A_ROW)]
    return Group(*(side_by_side(console, *row) for row in in_rows))


def _panel(group: str, numbers: list[Number], figures: Figures) -> Panel:
    said = ((number.label, number.of(figures)) for number in numbers)
    return titled(group.capitalize(), "yellow", rows(*said))


# ---- while it runs: a line each


def group_lines(figures: Figures, catalogue: Catalogue) -> RenderableType:
    """Two groups a line; what is idle says why."""
    idle = idle_groups(catalogue)
    shown = [group for group in GROUPS if group not in OWN_PANELS or group in idle]
    cells = [_line(group, catalogue, figures, idle) for group in shown]
    table = Table.grid(padding=(0, 2), expand=True)
    table.add_column(ratio=1, no_wrap=True)
    table.add_column(ratio=1, no_wrap=True)
    half = (len(cells) + 1) // 2
    for left, right in zip(cells[:half], [*cells[half:], Text()], strict=False):
        table.add_row(left, right)
    return table


def _line(group: str, catalogue: Catalogue, figures: Figures, idle: dict[str, str]) -> Text:
    line = Text(f"{group:<13}", "yellow", overflow="ellipsis")
    if group in idle:
        line.append("idle: " + idle[group].removeprefix("the plan "), "dim")
        return line
    for number in numbers_of(catalogue, group):
        if number.short is not None:
            line.append(f"{number.short} ", "default")
            line.append(f"{number.of(figures)}  ", "bold default")
    return line


# ---- predictions: of accounts, so they belong to no group's numbers

DOES = {"purchase_likelihood": "buy", "expansion_likelihood": "grow", "churn_likelihood": "leave"}
"""What an account is likely to do."""
MOST_LIKELY, MOST_LIKELY_IN_LINE = 5, 2


def predictions_of(catalogue: Catalogue) -> list[Series]:
    predicted = (row.id for row in catalogue.rows.values() if isinstance(row, PredictionRow))
    return [Series(kpi, DAY, level="account") for kpi in predicted]


def likely_rows(figures: Figures, catalogue: Catalogue) -> list[tuple[str, str]]:
    """(what, the accounts that are most likely to do it) of each prediction."""
    return [
        (DOES.get(series.kpi, series.kpi.replace("_", " ")), _most(figures, series, MOST_LIKELY))
        for series in predictions_of(catalogue)
    ]


def likely_line(figures: Figures, catalogue: Catalogue) -> Text:
    """The same in one line."""
    line = Text(f"{'likely to':<13}", "yellow", overflow="ellipsis", no_wrap=True)
    for series in predictions_of(catalogue):
        line.append(f"{DOES.get(series.kpi, series.kpi)} ", "default")
        line.append(f"{_most(figures, series, MOST_LIKELY_IN_LINE)}  ", "bold default")
    return line


def _most(figures: Figures, series: Series, most: int) -> str:
    accounts = figures.of_accounts(series)[:most]
    return ", ".join(f"{printable(name)} {score:.0%}" for name, score in accounts) or NOTHING
