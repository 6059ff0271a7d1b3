"""Rows that correlate what a user answered with what it did in the days before, compiled."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise
from operator import itemgetter
from typing import NamedTuple

from schemas.row_forms.comparing import Answered, CorrelationRow, Counted
from schemas.times import DAY_MS
from streams.calendar import WINDOW_DAYS
from streams.contributions import Moves, span_key
from streams.measures.kinds import ALL, WholeFact
from streams.measures.of_subjects import Values
from streams.operators.correlation import XX, XY, YY, N, X, Y, limbs
from streams.parts.part import Cells, Part, Subject


def answers(row: CorrelationRow, y: Answered, subject: Subject) -> Part:
    found = _Answers(row, y, subject)
    return Part(found.slots, found.difference)


class _Latest(NamedTuple):
    """The latest answer in each period of a range."""

    period: str
    start: int
    end: int
    ms: int
    """When it was given (UTC ms)."""
    value: int


class _Use(NamedTuple):
    """How often something was done before it, of one name."""

    answer: _Latest
    name: str
    x: int


class _Answers:
    def __init__(self, row: CorrelationRow, y: Answered, subject: Subject) -> None:
        assert isinstance(row.x, Counted), "rows refuse other ones"
        self._row, self._calendar = row, subject.calendar
        self._before_ms = y.before_days * DAY_MS
        since_ms = subject.since_ms(row)
        self._answers = subject.measures.latest_of_days(y.latest, since_ms, valued=True)
        self._uses = subject.measures.timeline_by_name(row.x.count, since_ms)
        self.slots = frozenset({self._answers, self._uses})

    def difference(self, old: Values, new: Values, moves: Moves, cells: Cells) -> None:
        if not (old[self._answers] or new[self._answers]):
            return  # as of most
        was, now = dict.fromkeys(self._latest(old)), dict.fromkeys(self._latest(new))
        used, uses = dict.fromkeys(self._used(old, was)), dict.fromkeys(self._used(new, now))
        for sign, answers, others in ((-1, was, now), (+1, now, was)):
            for answer in answers:
                if answer not in others:
                    self._add_answer(answer, sign, moves)
        for sign, done, others_done in ((-1, used, uses), (+1, uses, used)):
            for use in done:
                if use not in others_done:
                    self._add_use(use, sign, moves)

    def _latest(self, values: Values) -> Iterator[_Latest]:
        days: dict[int, WholeFact] = values[self._answers] or {}
        if not days:
            return
        for period in self._row.periods:
            ordered = sorted(days)
            width = WINDOW_DAYS.get(period)
            if width is not None:
                # an answer is the latest until another one comes, or the window has passed it
                ranges = [(day, min(day + width, after)) for day, after in pairwise(ordered)]
                ranges.append((ordered[-1], ordered[-1] + width))
            else:
                last = {self._calendar.index_of_day(period, day): day for day in ordered}
                ranges, ordered = [(index, index + 1) for index in last], [*last.values()]
            for day, (start, end) in zip(ordered, ranges, strict=True):
                time_ms, *_, value = days[day]
                assert value is not None, "answers without a value are passed over"
                yield _Latest(period, start, end, time_ms, value)

    def _used(self, values: Values, answers: Iterable[_Latest]) -> Iterator[_Use]:
        for answer in answers:
            found = Counter[str]()
            for name, done in (values[self._uses] or {}).items():
                start, end = (
                    bisect_left(done, ms, key=itemgetter(0))
                    for ms in (answer.ms - self._before_ms, answer.ms)
                )
                found[name if self._row.each_name is not None else ""] += end - start
            yield from (_Use(answer, name, x) for name, x in found.items() if x)

    def _add_answer(self, answer: _Latest, sign: int, moves: Moves) -> None:
        y = answer.value
        for of, amount in ((N, 1), (Y, y), (YY, y * y)):
            self._add(answer, "", of, amount, sign, moves)

    def _add_use(self, use: _Use, sign: int, moves: Moves) -> None:
        x, each = use.x, self._row.each_name
        variant = "" if each is None else f"{each}={use.name}"
        for of, amount in ((X, x), (XX, x * x), (XY, x * use.answer.value)):
            self._add(use.answer, variant, of, amount, sign, moves)

    def _add(
        self, answer: _Latest, variant: str, of: int, amount: int, sign: int, moves: Moves
    ) -> None:
        for part, n in limbs(of, amount, 1):
            key = span_key(self._row.id, variant, ALL, answer.period, part)
            moves.add_run(key, answer.start, answer.end, sign * n)
