"""A topic of one partition and a clock that only waiting moves."""

from collections.abc import Callable, Mapping

from agents.delivery.lane import Portion, Record


class ToyTopic:
    """A lane's reader (agents/delivery/lane.py); when nothing can happen any more it ends the lane.

    `then` is asked at every look, and may write, move the clock, or take the partition away.
    """

    def __init__(self, *values: bytes, now_s: float = 1_772_000_000.0) -> None:
        self.values = list(values)
        self.now_s = now_s
        self.at = 0
        self.committed = 0
        self.lost = False
        self.idle = 0
        self.then: Callable[[], None] = lambda: None
        self.end: Callable[[], None] = lambda: None

    def take(self, timeout_s: float, *, more: bool) -> Portion:
        self.then()
        lost, self.lost = [0] if self.lost else [], False
        if lost:
            self.at = self.committed
        records = self.values[self.at :] if more else []
        found = [Record(0, self.at + n, value) for n, value in enumerate(records)]
        self.at += len(found)
        self.now_s += 0 if found else timeout_s
        self.idle = 0 if found else self.idle + 1
        if self.committed == len(self.values) and self.idle > 1:
            self.end()
        return Portion(found, lost, {0: self.at})

    def commit(self, next: Mapping[int, int]) -> bool:
        self.committed = next[0]
        return True

    def lag(self, next: Mapping[int, int]) -> int:
        return len(self.values) - next[0]
