"""Whether conditions that a plan writes can stand where they stand."""

from collections.abc import Collection, Iterator
from types import NoneType
from typing import Any, get_args

from pydantic import ValidationError

from schemas.conditions import EachHolds, Holds, joined
from schemas.plan.check import Problem
from schemas.plan.models import Plan
from schemas.plan.values import shown
from schemas.row_forms.people import MembershipRow
from schemas.row_reading import resolved, settings_in
from schemas.rows import Row
from schemas.selectors import SETTING
from streams.catalogue import catalogue_rows, settings_of, with_condition


def condition_problems(plan: Plan) -> dict[str, list[Problem]]:
    """KPI id -> why the condition that the plan gives it makes no row; none where it makes one."""
    rows = {row.id: row for row in (*catalogue_rows(), *plan.kpis.own)}
    settings = settings_of(plan)
    found = {
        kpi: [*_problems(f"kpis.conditions.{kpi}", kpi, when, rows, plan, settings)]
        for kpi, when in plan.kpis.conditions.items()
    }
    return {kpi: problems for kpi, problems in found.items() if problems}


def without_conditions(plan: Plan, kpis: Collection[str]) -> Plan:
    """The plan in which these KPIs have the condition of the catalogue."""
    left = {kpi: when for kpi, when in plan.kpis.conditions.items() if kpi not in kpis}
    return plan.model_copy(update={"kpis": plan.kpis.model_copy(update={"conditions": left})})


def _problems(
    place: str, kpi: str, when: Holds, rows: dict[str, Row], plan: Plan, settings: dict[str, Any]
) -> Iterator[Problem]:
    row = rows.get(kpi)
    if row in plan.kpis.own:
        yield Problem(place, f"`{kpi}` is a row of your own", "write the condition in its `when`")
        return
    if not isinstance(row, MembershipRow):
        known = [row.id for row in catalogue_rows() if isinstance(row, MembershipRow)]
        yield Problem(
            place, f"`{kpi}` is no membership of the catalogue", f"there are {', '.join(known)}"
        )
        return
    try:
        changed = with_condition(row, when)
    except ValidationError as error:
        why = error.errors()[0]["msg"].removeprefix("Value error, ")
        yield Problem(place, f"`{kpi}` is about {row.subject}s and cannot have this: {why}")
        return
    if strange := [*_entries(place, when)]:
        yield from strange
        return
    yield from setting_problems(place, changed, settings)


def setting_problems(place: str, row: Row, settings: dict[str, Any]) -> Iterator[Problem]:
    """A row whose settings cannot stand where they are named."""
    try:
        resolved(row, settings)
    except (ValidationError, TypeError):
        named = ", ".join(f"setting.{name}" for name in sorted(settings_in(row))) or "`each`"
        yield Problem(
            place,
            f"a value of {named} does not fit where it stands",
            "numbers stand where numbers are asked for, lists of names where names are",
        )


def _entries(place: str, when: Holds) -> Iterator[Problem]:
    """What a condition is asked for each of is a setting, or has entries."""
    for each in joined(when):
        if isinstance(each, EachHolds):
            names_setting = isinstance(each.for_each, str) and each.for_each.startswith(SETTING)
            if not names_setting and not (isinstance(each.for_each, list | dict) and each.for_each):
                yield Problem(
                    place,
                    f"{shown(each.for_each)} is nothing that `for_each` can go through",
                    "name a setting (`setting.<name>`), or write a list",
                )
            yield from _entries(place, each.any)


def text_problems(place: str, when: Holds) -> Iterator[Problem]:
    """Where a number, or a list, may come from a setting, no other text is one."""
    for part in joined(when):
        for name, field in type(part).model_fields.items():
            text, arms = getattr(part, name), get_args(field.annotation)
            fills_in = str in arms and any(arm not in (str, NoneType) for arm in arms)
            if isinstance(text, str) and fills_in:
                yield Problem(
                    place,
                    f"{shown(text)} is nothing that `{name}` can be",
                    "write it as a number or a list, or name a setting (`setting.<name>`)",
                )
