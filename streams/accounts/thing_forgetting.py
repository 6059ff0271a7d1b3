"""Things that are over for longer than any kept value reaches back are removed, see forgetting.

A thing is removed if nothing was said of it since, it counts in no value that is kept, and nothing
of it has begun that would count when it ends. What is said of it later is said of a new thing.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from schemas.row_forms.facts import RateRow
from schemas.row_forms.people import LagRow
from schemas.row_forms.standing import DurationRow
from schemas.rows import Row
from schemas.times import HOUR_MS
from streams.accounts.things import Place, Things
from streams.compiled_plan import CompiledPlan
from streams.contributions import Cell, Deltas, Moves
from streams.forgetting import AT_ONCE, Forgetting, Looks
from streams.measures.by_days import LatestOfDays
from streams.measures.kinds import Chain, First
from streams.measures.of_subjects import Values
from streams.program import SubjectProgram
from streams.state_costs import ACCOUNTS
from streams.state_keys import THING, read_value
from streams.values.book import tally_of
from streams.values.tally import HOURLY


class ThingForgetting:
    """Those of one partition."""

    def __init__(self, compiled: CompiledPlan, tally_days: int) -> None:
        self._of = Forgetting(compiled, ACCOUNTS, THING, tally_days)
        self._programs, self._calendar = compiled.things, compiled.calendar
        self._rows = compiled.catalogue.rows
        self._nothing: Values = [None] * len(compiled.things.measures.all)
        programs = compiled.things
        self._ending = {
            each: _ending(compiled, each) for each in (programs.company, programs.account)
        }
        self.looks: Looks[Place] = Looks(self._of.span_days)
        self.removed = 0

    def flush(self, watermark_ms: int | None, things: Things) -> Iterator[tuple[bytes, None]]:
        """The records that go. Nothing may be unsaved."""
        if watermark_ms is None:
            return
        today = self._calendar.day(watermark_ms)
        before = self._of.before(today)
        for place in self.looks.take(today, AT_ONCE):
            packed = things.packed(place)
            if packed is None:
                continue  # it was removed already
            content = read_value(packed)
            is_old = _latest(content) < self._calendar.day_start_ms(before)
            if is_old and self._is_over(place, content, today):
                self.removed += 1
                yield from things.remove(place)
            else:
                self.looks.again(place, today, at_rest=is_old)

    def _is_over(self, place: Place, content: list[Any], today: int) -> bool:
        values = self._programs.measures.unpacked(content)
        programs = self._programs
        program = programs.company if place[0] == place[1] else programs.account
        return not self._is_open(program, values) and not self._shows(program, values, today)

    def _is_open(self, program: SubjectProgram, values: Values) -> bool:
        """True if something counts once it ends, and has begun."""
        for slots in self._ending[program]:
            known = [self._is_reached(slot, values[slot]) for slot in slots]
            if any(known) and not all(known):
                return True
        return False

    def _is_reached(self, slot: int, value: Any) -> bool:
        measure = self._programs.measures.all[slot]
        if value is None or not isinstance(measure, Chain):
            return value is not None
        anchor_ms, _ = value
        return anchor_ms is not None and measure.reached(value, anchor_ms) is not None

    def _shows(self, program: SubjectProgram, values: Values, today: int) -> bool:
        """Whether a thing counts in a value that is kept."""
        calendar = self._calendar
        moves, deltas = Moves(program.groups, calendar), Deltas()
        cells: dict[Cell, int] = defaultdict(int)
        program.difference(self._nothing, values, moves, cells)
        moves.spell_out(deltas)
        shown_ms = self._of.shown_ms(today)
        for (span, _, end), n in deltas.spans.items():
            if n and (end is None or end > calendar.index(span.period, shown_ms)):
                return True
        lasting = Counter[Any]()
        for (tally, part, at, _), n in cells.items():
            at_ms = at * HOUR_MS if part >= HOURLY else calendar.day_start_ms(at)
            if n and at_ms >= shown_ms:
                return True
            if part < HOURLY and self._lasts(self._rows[tally.kpi], tally.variant):
                lasting[tally, part] += n
        return any(lasting.values())

    def _lasts(self, row: Row, variant: str) -> bool:
        return tally_of(row, variant, self._calendar).lasting


def _ending(compiled: CompiledPlan, program: SubjectProgram) -> list[list[int]]:
    """For each row of what counts when it ends the measures that all have something then."""
    measures, found = compiled.things.measures.all, []
    kinds: tuple[type[Any], ...] = (First, Chain, LatestOfDays)
    for kpi, slots in program.slots_of.items():
        row = compiled.catalogue.rows[kpi]
        if isinstance(row, RateRow):
            found.append(sorted(slots))
        elif isinstance(row, DurationRow) or (
            isinstance(row, LagRow) and (row.cohort == "end" or row.each == "latest_in_period")
        ):
            found.append([slot for slot in sorted(slots) if isinstance(measures[slot], kinds)])
    return found


def _latest(content: Any) -> int:
    """The latest instant in a record of a thing (UTC ms). Another number as great as an instant can
    be keeps the thing."""
    if isinstance(content, dict):
        return max((_latest(each) for pair in content.items() for each in pair), default=0)
    if isinstance(content, list | tuple):
        return max(map(_latest, content), default=0)
    return content if isinstance(content, int) else 0
