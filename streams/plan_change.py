"""What a change of the plan does to the state and values under a prefix, decided before it is done.

A unit (streams/history.py) whose fingerprint stays goes on exactly. One that is new or changed
begins at the switch: its tallies and its measures are empty then, as if the stream began there, and
its values say so in their parts. What is left behind by a changed or removed unit is taken away
with its values, so that a key never mixes two definitions. What can be carried in neither way is
refused.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from schemas.keys import shown_account, shown_user
from schemas.outputs import KpiKey
from schemas.plan.models import Plan
from schemas.row_forms.form import ALL_SEGMENT, dimension_unit, unit
from schemas.row_forms.people import MilestoneRow
from schemas.rows import of_facts, variants_of
from streams import agenda
from streams.accounts import counted_cells
from streams.calendar import Calendar
from streams.catalogue import catalogue_of
from streams.company.predictions import scored_keys
from streams.compiled_plan import CompiledPlan
from streams.history import (
    ACCOUNT_MERGES,
    CONSENT,
    ERASURE,
    FOUNDATIONS,
    PSEUDONYMS,
    RATE,
    REPORTING,
    History,
    definitions,
)
from streams.state_keys import (
    AGENDA,
    BOOK,
    MEMBER,
    OF_LISTS,
    OF_PREDICTIONS,
    SCORED,
    SCORES,
    VALUES,
    read_key,
    read_value,
    state_value,
)
from streams.users.scores import told_days

_NUMBERS = ("company/", "account/", "signal/", "alert/")
_FOUNDATION_WORDS = {
    "timezone": "another time zone moves every day",
    "week_start": "another start of the week moves every week",
    "exclude_users": "whom to exclude is decided by traits that were kept for that only",
}


class Change(NamedTuple):
    """What becomes of the units when one plan follows another."""

    kept: tuple[str, ...]
    restarted: tuple[str, ...]
    added: tuple[str, ...]
    removed: tuple[str, ...]
    refused: tuple[str, ...]
    """A sentence for each thing that cannot be carried."""

    @property
    def stale(self) -> frozenset[str]:
        """Units whose state and values belong to the plan before."""
        return frozenset((*self.restarted, *self.removed))

    @property
    def begun(self) -> tuple[str, ...]:
        return (*self.restarted, *self.added)


def change_of(known: Mapping[str, str], plan: Plan) -> Change:
    """From the definitions that state follows (unit -> fingerprint) to those of a plan."""
    wanted = definitions(plan)
    shared = [each for each in wanted if each in known]
    change = Change(
        kept=tuple(each for each in shared if known[each] == wanted[each]),
        restarted=tuple(each for each in shared if known[each] != wanted[each]),
        added=tuple(each for each in wanted if each not in known),
        removed=tuple(each for each in known if each not in wanted),
        refused=(),
    )
    return change._replace(refused=tuple(_refusals(change, wanted, plan)))


def _refusals(change: Change, wanted: Mapping[str, str], plan: Plan) -> Iterable[str]:
    for name in FOUNDATIONS:
        if f"plan/{name}" in change.restarted:
            yield f"`{name}` changed: {_FOUNDATION_WORDS[name]}"
    if CONSENT in (*change.added, *change.restarted, *change.removed):
        yield "`consent` changed: what users said of it before is not known, or was by other events"
    if ERASURE in (*change.added, *change.restarted):
        yield "`erasure` is new: which facts were whose was not kept so far"
    if ERASURE in change.removed:
        yield "`erasure` was removed: whoever was erased would come back"
    if ACCOUNT_MERGES in change.added:
        yield "`account_merges` is new: which facts were whose was not kept so far"
    if ACCOUNT_MERGES in change.removed:
        yield "`account_merges` was removed: accounts that were joined would come apart"
    if PSEUDONYMS in (*change.added, *change.restarted, *change.removed):
        yield "`privacy: pseudonyms` changed: everybody would be somebody else"
    for each in change.restarted:
        if each.startswith("input/"):
            yield f"how the input {each.removeprefix('input/')} is read changed: so did every fact"
    for each in sorted(change.stale):
        if each == REPORTING:
            yield "the reporting currency changed: every amount so far is in the one before"
        elif each.startswith(RATE):
            code = each.removeprefix(RATE)
            yield f"the rate of {code} was removed or changed: amounts so far were converted at it"
    gone = {each for each in change.stale if each.startswith(dimension_unit(""))}
    for each in sorted(gone):
        why = "state is split"
        if wanted.get(each, "").startswith("member"):
            why = "values are split, and the definition of its membership is part of it"
        yield f"segment {each.removeprefix('dimension/')} was removed or changed: {why}"
    of_accounts = {dimension_unit(d.name) for d in plan.segments if d.is_of_accounts()}
    for each in change.added:
        if each in of_accounts:
            yield (
                f"segment {each.removeprefix('dimension/')} is by what accounts stand at: nothing "
                "was split by it so far"
            )
        if each.startswith(dimension_unit("")) and wanted[each].startswith("trait"):
            yield f"segment {each.removeprefix('dimension/')} is by a trait: none was kept so far"
        if each.startswith(dimension_unit("")) and wanted[each].startswith("member"):
            yield (
                f"segment {each.removeprefix('dimension/')} is by a membership: nothing was split "
                "by it so far"
            )
        if each.startswith(dimension_unit("")) and wanted[each].startswith("known"):
            yield (
                f"segments {each.removeprefix('dimension/')} combine what is known already: how "
                "that met before was not told"
            )
    yield from _refused_rows(change, plan)


def _refused_rows(change: Change, plan: Plan) -> Iterable[str]:
    for id, row in catalogue_of(plan).rows.items():
        if isinstance(row, MilestoneRow):
            reach = [unit("company", id, variant) for variant in variants_of(row)]
            known = any(each in change.kept for each in reach)
            for each in reach:
                if known and each in change.added:
                    yield (
                        f"{each.removeprefix('company/')} is a milestone beside known ones: which "
                        "accounts reached it before was not told"
                    )
        counts_facts = of_facts(row)
        newly = unit("account", id) in change.added and unit("company", id) in change.kept
        if counts_facts and newly and plan.members_may_leave:
            yield (
                f"{id} per account counts facts of users who may yet be excluded, or erased, or "
                "whose account may be joined to another one"
            )


def history_after(change: Change, plan: Plan, history: History, at_ms: int) -> History:
    """The history of a prefix once a plan has been accepted at a moment."""
    since_ms = {each: ms for each, ms in history.since_ms.items() if each in change.kept}
    beginning = (*_NUMBERS, dimension_unit(""))
    since_ms.update((each, at_ms) for each in change.begun if each.startswith(beginning))
    return history_of(plan, history._replace(since_ms=since_ms))


def history_of(plan: Plan, history: History) -> History:
    """The history with the measures of a plan behind those that are known."""
    compiled = CompiledPlan(plan, history)
    return history._replace(
        of_persons=tuple(compiled.person.measures.ids),
        of_members=tuple(compiled.member.measures.ids),
        of_things=tuple(compiled.things.measures.ids),
    )


class Rewritten(NamedTuple):
    """What changes in the state of a stage partition, and the values to take away."""

    entities: list[tuple[bytes, bytes | None]]
    values: list[KpiKey]


def without(
    stale: frozenset[str], stage: str, state: Mapping[bytes, bytes], calendar: Calendar
) -> Rewritten:
    """Takes what belongs to stale units out of the state of a stage partition."""
    rewritten = Rewritten([], [])
    for key, value in state.items():
        what, place = read_key(key)
        if what == SCORES and len(place) > 1:
            user, kpi, period = place
            if unit("company", kpi) in stale:
                rewritten.entities.append((key, None))
                for day in told_days(read_value(value)):
                    bounds = calendar.bounds_ms(period, day)
                    told = KpiKey(kpi, None, "user", shown_user(user), ALL_SEGMENT, period, *bounds)
                    rewritten.values.append(told)
        elif what in (BOOK, VALUES):
            subject, entry = _entry(stage, what, place)
            level = "company" if subject is None else "account"
            # Variants that facts bring along are no units of their own.
            units = {unit(level, entry.kpi, entry.variant), unit(level, entry.kpi)}
            if units & stale:
                rewritten.entities.append((key, None))
                if entry.period is not None:
                    shown = (entry.kpi, entry.variant or None, level, subject, entry.segment)
                    for index, *_ in read_value(value):
                        bounds = calendar.bounds_ms(entry.period, index)
                        rewritten.values.append(KpiKey(*shown, entry.period, *bounds))
        elif what in OF_PREDICTIONS:
            if unit("company", place[0]) in stale:
                rewritten.entities.append((key, None))
                if what == SCORED:
                    rewritten.values.extend(scored_keys(place[0], read_value(value), calendar))
        elif what in OF_LISTS:
            rewritten.entities.append((key, None))  # accounts tell all of it again
        elif what == AGENDA:
            content = read_value(value)
            left = agenda.without(content, lambda signal: _of_row(signal) in stale)
            if len(left) < len(content):
                rewritten.entities.append((key, state_value(left) if left else None))
        elif what == MEMBER:
            counted = _counted_without(stale, value)
            if counted is not None:
                rewritten.entities.append((key, counted))
    return rewritten


def _of_row(signal: str) -> str:
    """The unit of a membership, by the name of one of its signals."""
    return unit("company", signal.rpartition(".")[0])


class _Entry(NamedTuple):
    """What a record of tallies, or of published values, is about."""

    kpi: str
    variant: str
    segment: str
    period: str | None
    """Of published values; None: what they are made of."""


def _entry(stage: str, what: str, place: list[Any]) -> tuple[str | None, _Entry]:
    """The account that a record is about (None: the company), and the rest of its place."""
    subject = None
    if stage == "accounts":
        subject, place = shown_account(place[0]), place[1:]
    if what == VALUES:
        return None, _Entry(place[0], place[1], place[2], None)
    if stage == "company":
        return None, _Entry(place[0], place[1], place[2], place[3])
    period = place[4] if place[3] == "published" else None
    return subject, _Entry(place[0], place[1], place[2], period)


def _counted_without(stale: frozenset[str], value: bytes) -> bytes | None:
    """A member without facts counted for stale units; None if it has none."""
    *rest, counted = read_value(value)
    left = counted_cells.without(counted, lambda *of: unit("company", *of) in stale)
    return None if len(left) == len(counted) else state_value((*rest, left))
