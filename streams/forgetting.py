"""What state may be forgotten: what lies so far back that no value that is kept follows from it.

Values are kept for `horizon.tally_days`. One of them may reach a year further back, if it is of a
year to date, and look at some days before that. What subjects did in the days before all of these
is dropped from their measures, with nothing told to anybody: no value that is still kept would be
another one. Firsts, states, and whether somebody was ever there before stay for good. First entries
of accounts into memberships, which follow from what may be forgotten, are kept themselves.

Nobody is swept. Who is to be looked at waits in a list for a day: a newcomer's comes when what it
does now may be forgotten, as nothing may be before; somebody who has more to forget is looked at
again a quarter later.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, Generic

import xxhash

from schemas.conditions import (
    FewCameBack,
    Grown,
    Halved,
    Holds,
    LeaderSilent,
    Many,
    Scores,
    Seldom,
    Silent,
    leaves_of,
)
from schemas.row_forms.comparing import CorrelationRow, PredictionRow
from schemas.row_forms.facts import CountRow, MeanRow
from schemas.row_forms.people import (
    ConversionRow,
    DistinctRow,
    EntitledRow,
    JointRow,
    LagRow,
    LaunchRow,
    MembershipRow,
    ShareRow,
    TriedRow,
)
from schemas.row_forms.standing import BalanceRow
from schemas.row_forms.values import ScoreRow
from schemas.row_reading import tried
from schemas.rows import Row
from streams.calendar import Calendar
from streams.cold import ColdKeys, Key
from streams.compiled_plan import CompiledPlan
from streams.measures.activation_rules import DaysWithin
from streams.measures.by_days import Days
from streams.measures.kinds import ByName, Forgetful, Measure
from streams.parts.leaves_by_days import WINDOW_DAYS
from streams.state_costs import USERS, readers_of
from streams.state_keys import MEMBER
from streams.values.book import LONGEST_PERIOD_DAYS

EVERY_DAYS = 91
"""Who has more to forget is looked at again after so many days."""
AT_ONCE = 64
"""So many are looked at in one flush: some milliseconds."""
MONTH_DAYS = 31
SOON_DAYS = 3
"""Event time may be ahead of the watermark by so many days."""


class Forgetting:
    """The measures of one kind of state record that forget, and how far back they must not."""

    def __init__(self, compiled: CompiledPlan, stage: str, kind: str, tally_days: int) -> None:
        """`tally_days`: of the plan's horizon. `stage`, `kind`: see state_costs.readers_of."""
        rows, self._calendar = compiled.catalogue.rows, compiled.calendar
        reaches = {id: _reach_days(row) for id, row in rows.items()}
        # in which segment the first day was that somebody did something follows from these
        splitting = compiled.splitting if stage == USERS else compiled.splitting_accounts
        reaches |= dict.fromkeys(each.row.id for each in splitting.values())
        longest = max((reach for reach in reaches.values() if reach is not None), default=0)
        self._shown_days = tally_days + LONGEST_PERIOD_DAYS + MONTH_DAYS
        self.span_days = self._shown_days + longest
        """What lies so far behind the watermark, and further, may be forgotten."""
        measures, readers = readers_of(compiled, stage, kind)
        by_days = stage == USERS and compiled.splits_persons
        self._slots: list[tuple[int, Forgetful]] = [
            (slot, measure)
            for slot, measure in enumerate(measures.all)
            if isinstance(measure, Forgetful)
            and (
                isinstance(measure, DaysWithin)
                or all(reaches.get(kpi) is not None for kpi in readers.get(slot, ()))
            )
            # a first day of each value of a trait would have to be kept, too
            and not (by_days and isinstance(_inner(measure), Days))
            and not (kind == MEMBER and slot in compiled.member.account.never_forgotten)
        ]
        self.slots = frozenset(slot for slot, _ in self._slots)
        """Where they stand."""

    def before(self, today: int) -> int:
        """The first day that is kept."""
        return today - self.span_days

    def shown_ms(self, today: int) -> int:
        """Nothing before it shows in a value that is kept."""
        return self._calendar.day_start_ms(today - self._shown_days)

    def of_values(self, values: list[Any], before: int) -> bool:
        """Forgets what lies before a day, in place; True if there was something."""
        found = False
        for slot, measure in self._slots:
            value = values[slot]
            if value is not None:
                kept = measure.forget(value, before)
                if kept is not value:
                    values[slot], found = kept, True
        return found

    def of_packed(self, packed: list[Any], before: int) -> bool:
        """The same of the values as they are saved."""
        found = False
        for slot, measure in self._slots:
            if slot < len(packed) and packed[slot] is not None:
                value = measure.unpacked(packed[slot])
                kept = measure.forget(value, before)
                if kept is not value:
                    packed[slot] = None if kept is None else measure.packed(kept)
                    found = True
        return found

    def is_at_rest(self, values: Sequence[Any], today: int, *, packed: bool) -> bool:
        """True if nothing will ever be left to forget, unless something happens."""
        for slot, measure in self._slots:
            value = values[slot] if slot < len(values) else None
            if value is not None:
                value = measure.unpacked(value) if packed else value
                if measure.forget(value, today + SOON_DAYS) is not value:
                    return False
        return True


class Looks(Generic[Key]):
    """Who is to be looked at on which day."""

    def __init__(self, span_days: int) -> None:
        self._span_days = span_days
        self._new: list[Key] = []
        self._on: dict[int, ColdKeys[Key]] = {}
        self._now: deque[ColdKeys[Key]] = deque()
        self._due: Iterator[Key | None] = self._walk()
        self._today: int | None = None

    def begin(self, key: Key) -> None:
        """Somebody is new."""
        self._new.append(key)

    def resume(self, watermark_ms: int | None, calendar: Calendar) -> None:
        """After a restart everybody, who is new then, is looked at once within a quarter."""
        if watermark_ms is None:
            return
        today, keys = calendar.day(watermark_ms), self._new
        self._new = []
        for key in keys:
            text = key if isinstance(key, str) else key[-1]
            day = today + 1 + (xxhash.xxh3_64_intdigest(text.encode()) - today) % EVERY_DAYS
            self._on_day(day).append(key)

    def take(self, today: int, most: int) -> Iterator[Key]:
        """At most so many of those who are due. Each has to be given back with `again`."""
        if self._new:
            listed = self._on_day(today + self._span_days + EVERY_DAYS)
            for new in self._new:
                listed.append(new)
            self._new = []
        if today != self._today:
            self._today = today
            for day in [day for day in self._on if day <= today]:
                self._now.append(self._on.pop(day))
        for _ in range(most):
            key = next(self._due)
            if key is None:
                return
            yield key

    def _walk(self) -> Iterator[Key | None]:
        """Who is due, one after the other; None as often as nobody is."""
        while True:
            while self._now:
                yield from self._now.popleft()
            yield None

    def again(self, key: Key, today: int, *, at_rest: bool) -> None:
        """`at_rest`: nothing of today's is left to forget."""
        after = EVERY_DAYS + (self._span_days if at_rest else 0)
        self._on_day(today + after).append(key)

    def _on_day(self, day: int) -> ColdKeys[Key]:
        found = self._on.get(day)
        if found is None:
            found = self._on[day] = ColdKeys()
        return found


def _inner(measure: Measure) -> Measure:
    return measure.inner if isinstance(measure, ByName) else measure


def _reach_days(row: Row) -> int | None:
    """How many days before a period its value may look at what was done by days; None: at all."""
    if isinstance(row, DistinctRow | ShareRow | JointRow | EntitledRow | ScoreRow | CorrelationRow):
        return 2 * MONTH_DAYS
    if isinstance(row, MembershipRow | TriedRow):
        rows = [row] if isinstance(row, MembershipRow) else tried(row)
        return sum(_looks_back_days(when) for each in rows for when in leaves_of(each.when))
    if isinstance(row, PredictionRow):
        return 2 * row.days + row.after_days
    if isinstance(row, BalanceRow):
        return MONTH_DAYS + (row.each_used.days if row.each_used is not None else 0)
    if isinstance(row, CountRow | MeanRow | ConversionRow | LagRow | LaunchRow):
        return MONTH_DAYS
    return None


def _looks_back_days(when: Holds) -> int:
    """How many days before an instant a condition looks at what was done by days."""
    if isinstance(when, Silent | Many):
        return int(when.days)
    if isinstance(when, LeaderSilent):
        return int(when.days) + int(when.leads_days)
    if isinstance(when, Halved | Grown | Seldom | FewCameBack | Scores):
        return 2 * WINDOW_DAYS
    return 0
