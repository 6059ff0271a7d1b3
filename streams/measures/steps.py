"""The measure of steps that are taken one after the other."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

from schemas.selectors import FactSelector
from streams.measures.kinds import Fact, takes

StepsValue = tuple[int | None, dict[str, list[int]]]

STEP_TIMES_MAX = 256


class Steps:
    """When facts of several names were met one after the other, from an anchor on.

    The value is `(anchor time or None, {name: sorted times})`. With more facts the anchor, and so
    each step, only ever moves to an earlier time. So of every name are kept the times before the
    first that is not before the step before it, and that one; nothing later can be the answer, nor
    what comes too late after the anchor. Of a name whose step before is not reached, and of what
    lies before that step, the first 256 are kept.
    """

    def __init__(self, anchor: FactSelector, steps: FactSelector, within_ms: int) -> None:
        """`steps`: names in their order. `within_ms`: what comes later than that is none."""
        assert isinstance(steps.name, tuple)
        self.selectors = (anchor, steps)
        self._anchor, self._steps = anchor, steps
        self._names, self._within_ms = steps.name, within_ms

    def add(self, value: StepsValue | None, fact: Fact) -> StepsValue:
        anchor_ms, times = value if value is not None else (None, {})
        time_ms, name = fact.moment[0], fact.name or ""
        added = dict(times)
        if takes(self._steps, fact) and time_ms not in times.get(name, ()):
            added[name] = sorted([*times.get(name, ()), time_ms])
        if takes(self._anchor, fact):
            anchor_ms = time_ms if anchor_ms is None else min(anchor_ms, time_ms)
        found = self._cut(anchor_ms, added)
        return value if value is not None and value == found else found

    def _cut(self, anchor_ms: int | None, times: dict[str, list[int]]) -> StepsValue:
        """Without what can no longer be an answer."""
        found: dict[str, list[int]] = {}
        end_ms = None if anchor_ms is None else anchor_ms + self._within_ms
        step_ms = anchor_ms
        for name in dict.fromkeys(self._names):
            of_name = times.get(name, [])
            if end_ms is not None:
                of_name = of_name[: bisect_left(of_name, end_ms)]
            at = len(of_name) if step_ms is None else bisect_left(of_name, step_ms)
            step_ms = of_name[at] if at < len(of_name) else None
            kept = [*of_name[: min(at, STEP_TIMES_MAX)], *of_name[at : at + 1]]
            if kept:
                found[name] = kept
        return anchor_ms, found

    def reached(self, value: StepsValue | None, anchor_ms: int) -> list[int]:
        """When the steps were reached in time, as far as they were."""
        found: list[int] = []
        times, step_ms = {} if value is None else value[1], anchor_ms
        for name in self._names:
            of_name = times.get(name, [])
            at = bisect_left(of_name, step_ms)
            if at == len(of_name) or of_name[at] >= anchor_ms + self._within_ms:
                break
            step_ms = of_name[at]
            found.append(step_ms)
        return found

    def closed(self, value: StepsValue | None, fact: Fact) -> bool:
        if value is None or value[0] is None:
            return False
        if not takes(self._steps, fact):
            return True
        reached = dict(zip(self._names, self.reached(value, value[0]), strict=False))
        time_ms = fact.moment[0]
        late = time_ms >= value[0] + self._within_ms
        return late or reached.get(fact.name or "", time_ms + 1) <= time_ms

    def merge(self, values: Sequence[StepsValue | None]) -> StepsValue | None:
        present = [v for v in values if v is not None]
        if not present:
            return None
        anchor_ms = min((v[0] for v in present if v[0] is not None), default=None)
        names = dict.fromkeys(name for v in present for name in v[1])
        times = {name: sorted({t for v in present for t in v[1].get(name, ())}) for name in names}
        return self._cut(anchor_ms, times)

    def packed(self, value: StepsValue | None) -> Any:
        return value

    def unpacked(self, data: Any) -> StepsValue | None:
        return data and (data[0], data[1])
