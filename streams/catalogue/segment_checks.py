"""What segments by membership ask for that there is not."""

from collections.abc import Iterator, Mapping

from schemas.plan.check import Problem
from schemas.plan.models import Dimension, Plan
from schemas.plan.values import did_you_mean
from schemas.plan.written_segments import not_split_by_both
from schemas.row_forms.people import MembershipRow
from schemas.rows import Row
from streams.catalogue import Catalogue


def segment_problems(
    plan: Plan, rows: Mapping[str, Row], catalogue: Catalogue
) -> Iterator[Problem]:
    """Every mistake in the memberships that segments name. `rows`: all that the plan knows.

    `plan`: with what these are about, see with_known_members.
    """
    named = {dimension.name: dimension for dimension in plan.segments}
    for name, dimension in named.items():
        if dimension.member is not None:
            place = f"segments.{name}"
            problems = [*_problems(f"{place}.member", dimension.member, rows, catalogue)]
            yield from problems or _users_problems(f"{place}.users", dimension)
    pairs = [each.of for each in plan.segments if each.of is not None]
    for number, (one, other) in enumerate(pairs):
        yield from _pair_problems(f"combinations.{number}", named[one], named[other])


def _problems(
    place: str, kpi: str, rows: Mapping[str, Row], catalogue: Catalogue
) -> Iterator[Problem]:
    row = rows.get(kpi)
    known = [id for id, each in rows.items() if _splits(each)]
    listed = f"there are {', '.join(known)}"
    if not isinstance(row, MembershipRow):
        guess = did_you_mean(kpi, known) or listed
        yield Problem(place, f"`{kpi}` is no KPI that users or accounts can be in", guess)
        return
    if row.subject not in SPLIT:
        yield Problem(
            place,
            f"`{kpi}` is about {row.subject}s: KPIs are split by memberships of users and of "
            "accounts",
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
    if kpi in catalogue.idle and _splits(row):
        yield Problem(place, f"`{kpi}` does not run: {catalogue.idle[kpi]}")


SPLIT = ("user", "account")
"""What KPIs are about that are split by who is in a membership."""


def _splits(row: Row) -> bool:
    """True of a membership that users, or accounts, are in or not."""
    return (
        isinstance(row, MembershipRow)
        and row.subject in SPLIT
        and row.level != "account"
        and row.each_name is None
        and row.value == "members"
    )


def _users_problems(place: str, dimension: Dimension) -> Iterator[Problem]:
    if dimension.users and not dimension.of_accounts:
        yield Problem(
            place,
            f"`users` goes with what an account stands at: `{dimension.member}` is about users, "
            "and splits KPIs about them anyway",
            "leave it out",
        )


def _pair_problems(place: str, one: Dimension, other: Dimension) -> Iterator[Problem]:
    """Of two dimensions one of which is a membership; what others are is known without the rows."""
    if one.is_of_accounts() != other.is_of_accounts():
        state, person = (one, other) if one.is_of_accounts() else (other, one)
        yield Problem(place, *not_split_by_both(state.name, person.name))
