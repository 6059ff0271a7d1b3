"""Panels as all dashboards have them: what is alike looks alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from grafana_foundation_sdk.builders import common, prometheus, stat, timeseries
from grafana_foundation_sdk.builders.dashboard import (
    Dashboard,
    DashboardLink,
    DatasourceVariable,
    FieldColor,
    QueryVariable,
    TextBoxVariable,
    ThresholdsConfig,
)
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    GraphDrawStyle,
    GraphThresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from agents.metrics import KPI_VALUE, PREFIX
from deploy.grafana.queries import Number, definition, page_of

SOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
TAG = "headwater"
DOCS = "http://localhost:9480"
"""Where docker-compose.yml serves docs/."""
ROW_HEIGHT, STAT_HEIGHT = 8, 4
GOOD, ODD, BAD = "green", "orange", "red"

P = TypeVar("P", timeseries.Panel, stat.Panel)


class Line(NamedTuple):
    """A query and what its series are called."""

    query: str
    legend: str = ""


class Limits(NamedTuple):
    """From where on a value is odd, and from where on bad; less is worse where `bad` < `odd`."""

    odd: float
    bad: float


# ---- dashboards


def empty_dashboard(title: str, uid: str, about: str, *, since: str, refresh: str) -> Dashboard:
    """A dashboard with the variables that queries name, and links to its like."""
    others = DashboardLink("Headwater").type(models.DashboardLinkType.DASHBOARDS)
    return (
        Dashboard(title)
        .uid(uid)
        .description(about)
        .tags([TAG])
        .time(since, "now")
        .refresh(refresh)
        .timezone("browser")
        .readonly()
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .links([others.tags([TAG]).as_dropdown(False).include_vars(True).keep_time(True)])
        .with_variable(DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
        .with_variable(_labels("job", "Installation", f"{PREFIX}ready"))
    )


def segment_variable() -> Builder[models.VariableModel]:
    """Which segment of the users is shown."""
    shown = f'{PREFIX}{KPI_VALUE.name}{{job="$job"}}'
    everybody = models.VariableOption(selected=True, text="all", value="all")
    return _labels("segment", "Segment", shown).current(everybody)


def docs_variable() -> Builder[models.VariableModel]:
    """Where the documentation is read, for links to definitions."""
    return TextBoxVariable("docs").label("Documentation").default_value(DOCS)


def _labels(label: str, title: str, metric: str) -> QueryVariable:
    return (
        QueryVariable(label)
        .label(title)
        .datasource(SOURCE)
        .query(f"label_values({metric}, {label})")
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
    )


# ---- panels of numbers


def big_number(number: Number, title: str, limits: Limits | None = None) -> stat.Panel:
    """One number, with its line in small."""
    return _of(_stat(limits), [number], title)


def number_lines(
    title: str, *numbers: Number, limits: Limits | None = None, stacked: bool = False
) -> timeseries.Panel:
    """Numbers over time."""
    return _of(_lines(limits, stacked=stacked), numbers, title)


def _of(panel: P, numbers: Sequence[Number], title: str) -> P:
    """Gives a panel its numbers, with what they mean and where that is defined."""
    defined = {number.kpi: number for number in numbers}
    links: list[Builder[models.DashboardLink]] = [
        DashboardLink(f"Definition: {number.row.name}").url(page_of(number)).target_blank(True)
        for number in defined.values()
    ]
    for number in numbers:
        panel = panel.with_target(_query(Line(number.query, number.legend or number.row.name)))
    return (
        panel.title(title)
        .description("\n\n".join(map(definition, defined.values())))
        .unit(numbers[0].unit)
        .links(links)
    )


# ---- panels of anything


def big_value(
    title: str, about: str, query: str, *, unit: str = "short", limits: Limits | None = None
) -> stat.Panel:
    return _told(_stat(limits), title, about, [Line(query)], unit)


def value_lines(
    title: str,
    about: str,
    *lines: Line,
    unit: str = "short",
    limits: Limits | None = None,
    stacked: bool = False,
) -> timeseries.Panel:
    return _told(_lines(limits, stacked=stacked), title, about, lines, unit)


def _told(panel: P, title: str, about: str, lines: Sequence[Line], unit: str) -> P:
    for line in lines:
        panel = panel.with_target(_query(line))
    return panel.title(title).description(about).unit(unit)


def _query(line: Line) -> prometheus.Dataquery:
    query = prometheus.Dataquery().expr(line.query).datasource(SOURCE)
    return query.range().legend_format(line.legend).format(PromQueryFormat.TIME_SERIES)


def _stat(limits: Limits | None) -> stat.Panel:
    return (
        stat.Panel()
        .datasource(SOURCE)
        .height(STAT_HEIGHT)
        .graph_mode(BigValueGraphMode.AREA)
        .color_mode(BigValueColorMode.VALUE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .color_scheme(FieldColor().mode(models.FieldColorModeId.THRESHOLDS))
        .thresholds(_steps(limits))
    )


def _lines(limits: Limits | None, *, stacked: bool) -> timeseries.Panel:
    panel = (
        timeseries.Panel()
        .datasource(SOURCE)
        .height(ROW_HEIGHT)
        .draw_style(GraphDrawStyle.BARS if stacked else GraphDrawStyle.LINE)
        .fill_opacity(60 if stacked else 8)
        .line_width(0 if stacked else 2)
        .show_points(VisibilityMode.AUTO)
        .span_nulls(True)
        .axis_soft_min(0)
        .legend(
            common.VizLegendOptions()
            .display_mode(LegendDisplayMode.LIST)
            .placement(LegendPlacement.BOTTOM)
            .show_legend(True)
        )
        .tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
        .thresholds(_steps(limits))
    )
    if stacked:
        panel = panel.stacking(common.StackingConfig().mode(StackingMode.NORMAL).group("A"))
    if limits is not None:
        style = common.GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.DASHED)
        panel = panel.thresholds_style(style)
    return panel


def _steps(limits: Limits | None) -> ThresholdsConfig:
    """Colours by value, from below upwards."""
    steps: list[tuple[float | None, str]]
    if limits is None:
        steps = [(None, GOOD)]
    elif limits.bad > limits.odd:
        steps = [(None, GOOD), (limits.odd, ODD), (limits.bad, BAD)]
    else:
        steps = [(None, BAD), (limits.bad, ODD), (limits.odd, GOOD)]
    return (
        ThresholdsConfig()
        .mode(models.ThresholdsMode.ABSOLUTE)
        .steps([models.Threshold(value=value, color=color) for value, color in steps])
    )
