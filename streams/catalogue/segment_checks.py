"""What segments by membership ask for that there is not."""

from collections.abc import Iterator, Mapping

from schemas.plan.check import Problem
from schemas.plan.models import Plan
from schemas.plan.values import did_you_mean
from schemas.row_forms.people import MembershipRow
from schemas.rows import Row
from streams.catalogue import Catalogue


def segment_problems(
    plan: Plan, rows: Mapping[str, Row], catalogue: Catalogue
) -> Iterator[Problem]:
    """Every mistake in the memberships that segments name. `rows`: all that the plan knows."""
    for dimension in plan.segments:
        if dimension.member is not None:
            place = f"segments.{dimension.name}.member"
            yield from _problems(place, dimension.member, rows, catalogue)


def _problems(
    place: str, kpi: str, rows: Mapping[str, Row], catalogue: Catalogue
) -> Iterator[Problem]:
    row = rows.get(kpi)
    known = [id for id, each in rows.items() if _splits_users(each)]
    listed = f"there are {', '.join(known)}"
    if not isinstance(row, MembershipRow):
        guess = did_you_mean(kpi, known) or listed
        yield Problem(place, f"`{kpi}` is no KPI that users can be in", guess)
        return
    if row.subject != "user":
        yield Problem(
            place,
            f"`{kpi}` is about {row.subject}s: KPIs about users are split by memberships of users",
            listed,
        )
        return
    if row.level == "account":
        yield Problem(place, f"`{kpi}` has values of accounts only", listed)
    if row.each_name is not None:
        yield Problem(
            place,
            f"`{kpi}` is one membership for each {row.each_name}",
            "write a row of your own (`kpis.own`) about one of them",
        )
    if row.value != "members":
        yield Problem(
            place,
            f"`{kpi}` counts entries, not who is in",
            "write a row of your own (`kpis.own`) with its `when`, and without `value`",
        )
    if kpi in catalogue.idle and _splits_users(row):
        yield Problem(place, f"`{kpi}` does not run: {catalogue.idle[kpi]}")


def _splits_users(row: Row) -> bool:
    """True of a membership that users are in or not."""
    return (
        isinstance(row, MembershipRow)
        and row.subject == "user"
        and row.level != "account"
        and row.each_name is None
        and row.value == "members"
    )
