"""The KPIs that a plan switches on: the product's rows and the company's own, ready to compile."""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import yaml

from schemas.conditions import Holds
from schemas.plan.models import ActivationTasks, FirstActivity, NameConst, Plan
from schemas.ranks import OfDimension, OfMembers
from schemas.row_forms.comparing import PredictionRow
from schemas.row_forms.people import MembershipRow, TriedRow, values_read
from schemas.row_forms.values import RankingRow
from schemas.row_reading import (
    kpis_read,
    needed_kinds,
    needed_kinds_in,
    resolved,
    rows_of,
    settings_in,
)
from schemas.rows import OverValues, Row
from schemas.terms import Input, kpis_named

GROUPS = (
    "engagement",
    "activation",
    "retention",
    "expansion",
    "revenue",
    "sales",
    "marketing",
    "satisfaction",
    "support",
    "quality",
    "outcomes",
    "delivery",
)
"""The files in rows/, in the order of the documentation; one for each group of KPIs."""

NO_EVENT = "the plan maps no event to "
NO_DIMENSION = "`segments` has no dimension "

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Catalogue(NamedTuple):
    """Rows that run, each after those that it reads, and why the others do not."""

    rows: dict[str, Row]
    per_account: frozenset[str]
    """Ids of those that are computed per account, too, or only so."""
    shown_per_account: frozenset[str]
    """Ids of those of them that are published; formulas read the others."""
    idle: dict[str, str]
    """KPI id -> a sentence saying why it does not run."""

    @property
    def of_company(self) -> dict[str, Row]:
        """The rows that have values of the company."""
        return {id: row for id, row in self.rows.items() if row.level == "company"}

    @property
    def of_persons(self) -> list[Row]:
        """The rows that follow from what a person does in all accounts."""
        return [row for row in self.rows.values() if row.level != "account"]


@cache
def catalogue_rows() -> tuple[Row, ...]:
    """All rows of the product's catalogue."""
    folder = files(__package__).joinpath("rows")
    texts = (folder.joinpath(f"{group}.yaml").read_text(encoding="utf-8") for group in GROUPS)
    return tuple(row for text in texts for row in rows_of(yaml.load(text, _Loader)))


def catalogue_ids() -> frozenset[str]:
    return frozenset(row.id for row in catalogue_rows())


def rows_in(plan: Plan) -> tuple[Row, ...]:
    """The catalogue's rows, with the plan's conditions where it has some, and the plan's own.

    Raises pydantic's ValidationError for a condition that does not go with its row.
    """
    conditions = plan.kpis.conditions
    catalogue = (
        with_condition(row, conditions[row.id])
        if isinstance(row, MembershipRow) and row.id in conditions
        else row
        for row in catalogue_rows()
    )
    return (*catalogue, *plan.kpis.own)


def with_condition(row: MembershipRow, when: Holds) -> MembershipRow:
    """The row with another condition, checked as a whole (ValidationError)."""
    return MembershipRow.model_validate({**row.model_dump(by_alias=True), "when": when})


def catalogue_of(plan: Plan) -> Catalogue:
    """The rows that a plan runs. Settings are resolved, periods and levels are the plan's."""
    settings = settings_of(plan)
    provided = fact_kinds(plan)
    rows = {row.id: row for row in rows_in(plan)}
    in_plan = {id: resolved(row, settings) for id, row in rows.items()}
    wanted = _wanted(in_plan, plan)
    running: dict[str, Row] = {}
    idle: dict[str, str] = {}
    for id in _in_order_of_reading(in_plan):
        row = rows[id]
        present = settings | {
            name: tuple(kpi for kpi in settings[name] if kpi in running) for name in MEMBERSHIPS
        }
        named = settings_in(row)
        empty = sorted(each for each in named - MAY_BE_EMPTY if present[each] in ((), {}))
        known = resolved(row, present) if named & MEMBERSHIPS else in_plan[row.id]
        planned = _with_what_runs(known, running, provided)
        reason = _idle_reason(planned, wanted, provided, empty, running)
        if reason is None and isinstance(row, RankingRow) and isinstance(row.rank, OfDimension):
            dimensions = {dimension.name for dimension in plan.segments}
            reason = (
                None if row.rank.segments in dimensions else f"{NO_DIMENSION}{row.rank.segments}"
            )
        if reason is None:
            running[row.id] = _planned(planned, plan)
        else:
            idle[row.id] = reason
    asked = frozenset(plan.kpis.levels.account) & running.keys()
    asked |= {id for id, row in running.items() if row.level == "account"}
    shown = frozenset(id for id in asked if running[id].published)
    read = {kpi for row in running.values() for kpi in _read_of_accounts(row)}
    per_account = _with_inputs(asked | read, running)
    return Catalogue(running, per_account, shown, idle)


def _in_order_of_reading(rows: Mapping[str, Row]) -> Iterable[str]:
    """The ids of rows in their order, but for those that another one reads: these come before it.

    Of rows that read each other in a circle one comes before what it reads.
    """
    found: dict[str, None] = {}
    begun: set[str] = set()

    def add(id: str) -> None:
        if id not in begun:
            begun.add(id)
            for read in sorted(kpis_read(rows[id]) & rows.keys()):
                add(read)
            found[id] = None

    for id in rows:
        add(id)
    return found


def _read_of_accounts(row: Row) -> frozenset[str]:
    """The KPIs that a ranking of members, or a membership, reads of accounts."""
    if isinstance(row, MembershipRow | TriedRow):
        return frozenset(each.kpi for each in values_read(row))
    if isinstance(row, RankingRow) and isinstance(row.rank, OfMembers):
        return kpis_read(row) - {row.rank.members}
    return frozenset()


def _with_inputs(kpis: Iterable[str], rows: dict[str, Row]) -> frozenset[str]:
    """KPIs, and what the formulas and rankings among them read."""
    found: set[str] = set()
    waiting = list(kpis)
    while waiting:
        id = waiting.pop()
        if id not in found:
            found.add(id)
            row = rows[id]
            if isinstance(row, OverValues) and not _read_of_accounts(row):
                waiting += kpis_read(row)
    return frozenset(found)


def fact_kinds(plan: Plan) -> frozenset[str]:
    """Kinds of facts there will be, with those that are derived from others."""
    kinds = set(plan.kinds)
    if isinstance(plan.first_action, FirstActivity) and "activity" in kinds:
        kinds.add("first_action")
    if isinstance(plan.activation, ActivationTasks):
        kinds.add("activation")
    return frozenset(kinds)


def settings_of(plan: Plan) -> dict[str, Any]:
    """What `setting.x` stands for."""
    settings: dict[str, Any] = dict(plan.kpis.settings)
    settings["features"] = tuple(dict.fromkeys((*_named_features(plan), *settings["features"])))
    settings["milestone_users"] = plan.milestones.distinct_users
    settings["milestone_activated_users"] = plan.milestones.activated_users
    return settings


def _named_features(plan: Plan) -> Iterator[str]:
    """The features that rules make under a name of their own."""
    for rule in plan.rules:
        for fact in rule.facts:
            if fact.kind == "feature" and isinstance(fact.name, NameConst):
                yield fact.name.name


def _wanted(rows: dict[str, Row], plan: Plan) -> frozenset[str]:
    """Ids that the plan asks for, with what those rows read."""
    own = {row.id for row in plan.kpis.own}
    usual = {id for id, row in rows.items() if not row.opt_in}
    asked = usual if plan.kpis.only is None else own.union(plan.kpis.only)
    asked = asked.union(plan.kpis.also)
    wanted: set[str] = set()
    waiting = [id for id in asked if id not in plan.kpis.without]
    waiting += (each.member for each in plan.segments if each.member is not None)
    while waiting:
        id = waiting.pop()
        if id not in rows or id in wanted:
            continue
        wanted.add(id)
        waiting.extend(kpis_read(rows[id]))
    return frozenset(wanted)


def _idle_reason(
    row: Row,
    wanted: frozenset[str],
    provided: frozenset[str],
    empty: list[str],
    running: dict[str, Row],
) -> str | None:
    """`empty`: settings that it refers to and that say nothing."""
    if row.id not in wanted:
        return "runs only if listed in kpis.also" if row.opt_in else "switched off in the plan"
    missing = sorted(" or ".join(kinds) for kinds in needed_kinds(row) if not provided & {*kinds})
    if missing:
        return NO_EVENT + ", ".join(missing)
    if empty:
        return f"kpis.settings.{', '.join(empty)} names nothing that runs"
    absent = sorted(kpis_read(row) - running.keys())
    if absent:
        return f"needs {', '.join(absent)}"
    return None


MEMBERSHIPS = frozenset({"expansion_list"})
"""Lists of memberships; they stand for those that run."""
MAY_BE_EMPTY = frozenset({"core_tasks", "activation_tasks", "features"})
"""Lists that stand for everything, or for nothing more, while they are empty. An empty one of the
others leaves the rows idle that read it."""


def _with_what_runs(row: Row, running: dict[str, Row], provided: frozenset[str]) -> Row:
    """A row without the inputs that it can do without and that do not run, or that are always 0."""
    if isinstance(row, PredictionRow):
        features = {
            name: feature
            for name, feature in row.features.items()
            if all(provided & {*kinds} for kinds in needed_kinds_in(feature))
        }
        rule = row.rule if row.rule in running else None
        return _updated(row, {"features": features or row.features, "rule": rule})
    if not isinstance(row, OverValues):
        return row
    inputs = {
        name: input
        for name, input in row.inputs.items()
        if name not in row.optional
        or not isinstance(input, Input)
        or kpis_named(input) <= running.keys()
    }
    update: dict[str, Any] = {"inputs": inputs}
    if isinstance(row, RankingRow):
        update["attach"] = {kpi: of for kpi, of in row.attach.items() if kpi in running}
    return _updated(row, update)


def _planned(row: Row, plan: Plan) -> Row:
    periods = dict.fromkeys((*row.periods, *plan.kpis.periods.get(row.id, ())))
    update: dict[str, Any] = {"periods": tuple(periods)}
    horizon = plan.kpis.settings.horizons_days.get(row.id)
    if horizon is not None and has_horizon(row):
        update["within_days"] = horizon
    length = plan.kpis.settings.list_lengths.get(row.id)
    if length is not None and isinstance(row, RankingRow):
        update |= {"top": length, "bottom": length if row.bottom else 0}
    return _updated(row, update)


def has_horizon(row: Row) -> bool:
    """True if a plan can say for how long the row waits for what comes of somebody."""
    return "within_days" in type(row).model_fields


def _updated(row: Row, update: dict[str, Any]) -> Row:
    """The row itself where nothing changes: what was read of it is still known."""
    changes = any(getattr(row, name) != value for name, value in update.items())
    return row.model_copy(update=update) if changes else row
