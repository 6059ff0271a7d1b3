"""What asks for a signal has to name one that the plan gives."""

from collections.abc import Iterator, Mapping

from schemas.plan.check import Problem
from schemas.plan.models import Plan
from schemas.plan.values import did_you_mean
from schemas.row_forms.people import MembershipRow, MilestoneRow
from schemas.rows import Row
from streams.catalogue import catalogue_of, rows_in

ACTIVATED = "activated"


def experiment_problems(plan: Plan, planned: Mapping[str, Row]) -> Iterator[Problem]:
    """Every experiment about a signal that is not given."""
    for each in plan.experiments:
        place = f"experiments.{each.name}.signal"
        yield from signal_problems(plan, planned, each.signal, place)
        if each.signal == ACTIVATED and plan.activation is None:
            yield Problem(place, f"nobody is `{ACTIVATED}`", "say under `activation` who is")


def signal_problems(
    plan: Plan, planned: Mapping[str, Row], signal: str, place: str
) -> Iterator[Problem]:
    """`planned`: the rows that run."""
    known = [ACTIVATED, *(name for row in planned.values() for name in _signals_of(row))]
    if signal in known:
        return
    idle = {name: row.id for row in rows_in(plan) for name in _signals_of(row)}
    if signal in idle:
        why = catalogue_of(plan).idle[idle[signal]]
        yield Problem(place, f"`{idle[signal]}` does not run: {why}")
    else:
        guess = did_you_mean(signal, [*known, *idle]) or f"known are {', '.join(known)}"
        yield Problem(place, f"unknown signal `{signal}`", guess)


def _signals_of(row: Row) -> tuple[str, ...]:
    if isinstance(row, MembershipRow):
        return f"{row.id}.enter", f"{row.id}.leave"
    return (f"{row.id}.enter",) if isinstance(row, MilestoneRow) else ()
