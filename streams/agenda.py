"""Signals that time alone will give, until the watermark has come so far.

One heap for all subjects of a partition: nobody looks at a subject before something of it is due,
however many there are.
"""

from collections.abc import Callable, Iterator, Sequence
from heapq import heappop, heappush
from typing import Any, NamedTuple

from streams.signals import Standing

FIELDS_OF_COMING = 2


class Coming(NamedTuple):
    """A signal that waits for its time."""

    due_ms: int
    """The watermark that gives it."""
    standing: Standing


class Agenda:
    """What is to come, by the key of a subject."""

    def __init__(self) -> None:
        self._of: dict[str, list[Coming]] = {}
        self._heap: list[tuple[int, str]] = []
        self._unsaved: set[str] = set()

    def __len__(self) -> int:
        return sum(map(len, self._of.values()))

    def of(self, key: str) -> Sequence[Coming]:
        """What is to come of a subject, the next first."""
        return self._of.get(key, ())

    def replace(self, key: str, coming: Sequence[Coming]) -> None:
        """What is to come of a subject, instead of what was."""
        if not coming and key not in self._of:
            return
        ordered = sorted(coming, key=_order)
        if ordered == self._of.get(key):
            return
        self._unsaved.add(key)
        self._of.pop(key, None)
        if ordered:
            self._of[key] = ordered
            heappush(self._heap, (ordered[0].due_ms, key))

    def take_due(self, watermark_ms: int | None) -> Iterator[tuple[str, Coming]]:
        """What is due, in the order of its instants and then of subjects."""
        while self._heap and watermark_ms is not None and self._heap[0][0] <= watermark_ms:
            due_ms, key = heappop(self._heap)
            coming = self._of.get(key)
            if not coming or coming[0].due_ms != due_ms:
                continue  # it was replaced since
            yield key, coming.pop(0)
            self._unsaved.add(key)
            if coming:
                heappush(self._heap, (coming[0].due_ms, key))
            else:
                del self._of[key]

    # ---- checkpoints

    def take_unsaved(self) -> Iterator[tuple[str, Any]]:
        """(key, content or None) of every subject of which something else is to come now."""
        for key in sorted(self._unsaved):
            yield key, self._of.get(key)
        self._unsaved.clear()

    def load(self, key: str, content: Sequence[Any]) -> None:
        coming = self._of[key] = [_coming(each) for each in content]
        heappush(self._heap, (coming[0].due_ms, key))


def without(content: Sequence[Any], is_gone: Callable[[str], bool]) -> list[Coming]:
    """A record of what is to come of a subject, without signals that nobody gives any more."""
    return [each for each in map(_coming, content) if not is_gone(each.standing.signal)]


def _order(coming: Coming) -> tuple[int, int, str, str]:
    standing = coming.standing
    return coming.due_ms, standing.at_ms, standing.signal, standing.variant or ""


def _coming(saved: Sequence[Any]) -> Coming:
    """From a state record; before, those held the signal alone, and it was due at its instant."""
    if len(saved) != FIELDS_OF_COMING:
        standing = Standing(*saved)
        return Coming(standing.at_ms, standing)
    return Coming(saved[0], Standing(*saved[1]))
