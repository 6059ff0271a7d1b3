"""Rows about subjects that reach a goal in time after an anchor."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from schemas.goals import InOrder, ReachesFact
from schemas.row_forms.people import ConversionRow
from schemas.row_reading import entry_name
from schemas.times import DAY_MS
from streams.contributions import Moves, tally_key
from streams.measures.kinds import FirstFact, WholeFact
from streams.measures.of_subjects import Values
from streams.operators import conversion
from streams.parts.goals import Holds, given, goal_of
from streams.parts.part import Cells, Part, Subject
from streams.parts.steps import steps
from streams.segments import shown_value

Anchors = Callable[[Values], Iterable[tuple[str, str, FirstFact | WholeFact]]]
"""(name, variant, anchor) of a subject with these measures."""


def conversions(row: ConversionRow, subject: Subject) -> list[Part]:
    if isinstance(row.goal, InOrder):
        return [steps(row, row.goal, subject)]
    if isinstance(row.variant, tuple):
        return [_conversion(row, f"n={n}", n, subject) for n in row.variant]
    if row.each_pair is not None:
        assert isinstance(row.each_pair, dict), "settings are resolved"
        return [
            _conversion(_of_pair(row, *pair), f"{row.each_name}={pair[0]}", None, subject)
            for pair in row.each_pair.items()
        ]
    if row.each_entry is not None:
        return [
            _conversion(_of_entry(row, name), f"{row.each_name}={name}", None, subject)
            for name in row.each_entry
        ]
    return [_conversion(row, "", None, subject)]


def _of_entry(row: ConversionRow, name: str) -> ConversionRow:
    """The row about the first entry into one of the memberships that are tried out."""
    assert isinstance(row.anchor.name, str), "an entry names its membership"
    anchor = row.anchor.model_copy(update={"name": entry_name(row.anchor.name, name)})
    return row.model_copy(update={"anchor": anchor, "each_name": None, "each_entry": None})


def _of_pair(row: ConversionRow, anchor: str, goal: str) -> ConversionRow:
    """The row about one name of the anchor, and the name of the goal that belongs to it."""
    assert isinstance(row.goal, ReachesFact), "rows refuse others"
    before = row.not_before
    update = {
        "anchor": row.anchor.model_copy(update={"name": anchor}),
        "goal": ReachesFact(first=row.goal.first.model_copy(update={"name": goal})),
        "not_before": before and before.model_copy(update={"name": goal}),
        "each_name": None,
        "each_pair": None,
    }
    return row.model_copy(update=update)


def _conversion(row: ConversionRow, variant: str, on_day: int | None, subject: Subject) -> Part:
    found = _Conversion(row, variant, on_day, subject)
    return Part(found.slots, found.difference)


class _Outcome(NamedTuple):
    variant: str
    anchor_ms: int
    segments: tuple[str, ...]
    success: bool


class _Conversion:
    def __init__(
        self, row: ConversionRow, variant: str, on_day: int | None, subject: Subject
    ) -> None:
        self._row, self._variant, self._subject = row, variant, subject
        self._within_ms = (row.within_days or 0) * DAY_MS
        within_ms = None if row.within_days is None else self._within_ms
        self._tally = conversion.Tally(subject.calendar, within_ms, on_day)
        measures, since_ms = subject.measures, subject.since_ms(row, variant)
        anchor_slot, self._anchors = self._anchor(since_ms)
        goal_slots, self._reached = goal_of(row, row.goal, subject, variant)
        conditions = [given(each, subject, since_ms) for each in row.given]
        self._given: list[Holds] = [holds for _, holds in conditions]
        self._before = self._until = None
        if row.not_before is not None:
            self._before = measures.first(row.not_before, since_ms)
        if row.until is not None:
            self._until = measures.reaching(row.anchor, row.until, since_ms)
        slots = {anchor_slot, self._before, self._until} - {None}
        self.slots: frozenset[int] = goal_slots.union(
            subject.dimension_slots,
            (slot for slot in slots if slot is not None),
            *(of for of, _ in conditions),
        )

    def _anchor(self, since_ms: int | None) -> tuple[int, Anchors]:
        row, variant, measures = self._row, self._variant, self._subject.measures
        if not row.is_by_name:
            slot = measures.first(row.anchor, since_ms)

            def anchors(values: Values) -> Iterable[tuple[str, str, FirstFact | WholeFact]]:
                anchor: FirstFact | None = values[slot]
                return () if anchor is None else (("", variant, anchor),)

            return slot, anchors
        attribute = row.each_attribute
        by_name = measures.first_by_name if attribute is None else measures.first_whole_by_name
        slot = by_name(row.anchor, since_ms)

        def named_anchors(values: Values) -> Iterable[tuple[str, str, FirstFact | WholeFact]]:
            for name, anchor in (values[slot] or {}).items():
                shown = f"{row.each_name}={name}"
                if attribute is not None:
                    shown += f"/{shown_value(dict(anchor[4]).get(attribute))}"
                yield name, shown, anchor

        return slot, named_anchors

    def difference(self, old: Values, new: Values, moves: Moves, cells: Cells) -> None:
        was, now = self._outcomes(old), self._outcomes(new)
        if was != now:
            self._add(was, -1, cells)
            self._add(now, +1, cells)

    def _outcomes(self, values: Values) -> list[_Outcome]:
        """What became of each anchor that takes part."""
        outcomes = []
        for name, variant, anchor in self._anchors(values):
            anchor_ms = anchor[0]
            if self._before is not None:
                before: FirstFact | None = values[self._before]
                if before is not None and before[0] < anchor_ms:
                    continue
            if not all(holds(values, anchor_ms) for holds in self._given):
                continue
            success = self._reached(values, name, anchor_ms, self._end_ms(values, anchor_ms))
            if success is not None:
                segments = self._subject.segments(self._row, values, anchor)
                outcomes.append(_Outcome(variant, anchor_ms, segments, success))
        return outcomes

    def _end_ms(self, values: Values, anchor_ms: int) -> int:
        """When the time for the goal is over."""
        end_ms = anchor_ms + self._within_ms
        if self._until is None:
            return end_ms
        measure = self._subject.measures.reaching_at(self._until)
        until = measure.reached(values[self._until], anchor_ms)
        return end_ms if until is None else min(end_ms, until[0])

    def _add(self, outcomes: list[_Outcome], sign: int, into: Cells) -> None:
        for variant, anchor_ms, segments, success in outcomes:
            day, mature_ms = self._subject.calendar.day(anchor_ms), self._tally.mature_ms(anchor_ms)
            for segment in segments:
                key = tally_key(self._row.id, variant, segment)
                into[key, conversion.ALL_SUBJECTS, day, mature_ms] += sign
                if success:
                    into[key, conversion.SUCCESSES, day, mature_ms] += sign
