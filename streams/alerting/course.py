"""From the closed values of a series to the episodes in which its rule fired.

The fold reads periods in order, each once they are final, and nothing else: so the same values give
the same episodes, whenever and in whatever order they became known. A value that changes later
makes the fold begin again.
"""

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from schemas.plan.models import AlertRule, Watch
from streams.calendar import WINDOW_DAYS

Read = Callable[[Watch, int], Fraction | None]
"""The value of a watch in the period of an index; None: it has none."""

DAYS_OF_A_WEEK = 7


class Seen(NamedTuple):
    """What a watch saw in a period."""

    value: Fraction | None
    before: Fraction | None
    """What it was compared with; None for above and below, too."""
    change: Fraction | None


class Episode(NamedTuple):
    """A rule fired with the end of a period, and ended with the end of a later one."""

    fired: int
    resolved: int | None
    """None: it lasts."""
    seen: tuple[Seen, ...]
    """Of each watch, in the period with which it fired."""
    seen_last: tuple[Seen, ...] | None
    """The same of the period with which it ended."""


def see(watch: Watch, index: int, read: Read, period: str) -> Seen:
    """What a watch sees in a period; no change is seen where there is nothing to compare."""
    value = read(watch, index)
    if watch.against is None:
        return Seen(value, None, None)
    before = read(watch, index - _distance(watch, period))
    if value is None or before is None or (before == 0 and not watch.absolute):
        return Seen(value, before, None)
    difference = value - before
    return Seen(value, before, difference if watch.absolute else difference / abs(before))


def _distance(watch: Watch, period: str) -> int:
    """How many indexes back the comparison is; trailing windows must not overlap."""
    if watch.against == "same_weekday":
        return DAYS_OF_A_WEEK
    return WINDOW_DAYS.get(period, 1)


def is_beyond(watch: Watch, seen: Seen) -> bool | None:
    """True beyond `enter`, False back at `clear`; None between them, and where nothing is known."""
    found = seen.change if watch.against is not None else seen.value
    if found is None:
        return None
    enter, clear = exact(watch.enter), exact(watch.clear)
    if watch.test == "drop":
        found = -found
    elif watch.test == "below":
        found, enter, clear = -found, -enter, -clear
    if found > enter:
        return True
    return False if found <= clear else None


def exact(bound: float) -> Fraction:
    """A bound as people write it: 0.2 is two tenths."""
    return Fraction(str(bound))


class Course:
    """One rule on the values of one subject, as far as they are closed."""

    __slots__ = ("_end_ms", "_first", "_next", "_period", "_rule", "_streak", "episodes")

    def __init__(self, rule: AlertRule, end_ms: Callable[[int], int]) -> None:
        """`end_ms`: when the period of an index ends."""
        assert rule.period is not None
        self._rule, self._period, self._end_ms = rule, rule.period, end_ms
        self.episodes: list[Episode] = []
        self._first: int | None = None
        self._next = 0
        self._streak = 0

    def rewind(self, index: int) -> None:
        """Says that the value of an index has changed."""
        if index < self._next:
            self._first = None

    def advance(self, first: int, closed: int, read: Read, enough: Callable[[int], bool]) -> None:
        """Reads the periods up to `closed`; `enough` is False where the sample is too small."""
        if self._first is None or first < self._first:
            self.episodes, self._first, self._next, self._streak = [], first, first, 0
        for index in range(self._next, closed + 1):
            if enough(index):
                self._step(index, read)
            else:
                self._streak = 0
        self._next = max(self._next, closed + 1)

    def _step(self, index: int, read: Read) -> None:
        rule = self._rule
        seen = tuple(see(watch, index, read, self._period) for watch in rule.watches)
        verdicts = [is_beyond(watch, each) for watch, each in zip(rule.watches, seen, strict=True)]
        last = self.episodes[-1] if self.episodes else None
        if last is not None and last.resolved is None:
            cleared = [verdict is False for verdict in verdicts]
            if all(cleared) if rule.any else any(cleared):
                self.episodes[-1] = last._replace(resolved=index, seen_last=seen)
                self._streak = 0
            return
        beyond = [verdict is True for verdict in verdicts]
        if not (any(beyond) if rule.any else all(beyond)):
            self._streak = 0
            return
        self._streak += 1
        rested = last is None or self._rested(last.fired, index)
        if self._streak >= rule.periods and rested:
            self.episodes.append(Episode(index, None, seen, None))

    def _rested(self, fired: int, index: int) -> bool:
        return self._end_ms(index) - self._end_ms(fired) >= self._rule.cooldown_ms

    # ---- checkpoints

    def packed(self) -> Any:
        """How far it came, and what it found."""
        episodes = [
            (each.fired, each.resolved, _packed(each.seen), _packed(each.seen_last))
            for each in self.episodes
        ]
        return self._first, self._next, self._streak, episodes

    def load(self, content: Any) -> None:
        """Takes back what `packed` gave."""
        self._first, self._next, self._streak, episodes = content
        self.episodes = [
            Episode(fired, resolved, _unpacked(seen) or (), _unpacked(seen_last))
            for fired, resolved, seen, seen_last in episodes
        ]


def _packed(seen: tuple[Seen, ...] | None) -> Any:
    if seen is None:
        return None
    return [[None if number is None else str(number) for number in each] for each in seen]


def _unpacked(content: Sequence[Sequence[str | None]] | None) -> tuple[Seen, ...] | None:
    if content is None:
        return None
    numbers = ([None if text is None else Fraction(text) for text in each] for each in content)
    return tuple(Seen(*each) for each in numbers)
