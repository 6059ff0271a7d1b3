"""Which events came before: ids of usage are remembered for some days, those of business longer."""

from collections.abc import Iterator, Sequence
from typing import Any

from schemas.plan.models import Plan
from schemas.times import DAY_MS
from streams.accounts.duplicates import SeenIds
from streams.state_keys import SEEN, SEEN_OF_BUSINESS, state_key, state_value


class SeenEvents:
    """Those of one partition."""

    def __init__(self, plan: Plan, ids_max: int, *, bounded: bool) -> None:
        """`ids_max`: of either kind. `bounded` False: ids of any age are kept."""
        days = plan.horizons.tally_days
        of_business_ms = days * DAY_MS if bounded and days is not None else None
        self.of_usage = SeenIds(plan.duplicates.usage_window_ms if bounded else None, ids_max)
        self.of_business = SeenIds(of_business_ms, ids_max)
        """A payment that is told again a week later is no second one."""
        self._of = {SEEN: self.of_usage, SEEN_OF_BUSINESS: self.of_business}

    @property
    def size(self) -> int:
        """Message ids by which duplicates are recognised."""
        return self.of_usage.size + self.of_business.size

    @property
    def forgotten(self) -> int:
        """Message ids dropped before their time, for lack of room."""
        return self.of_usage.forgotten + self.of_business.forgotten

    def flush(self, watermark_ms: int | None) -> Iterator[tuple[bytes, bytes | None]]:
        """Forgets what is too old; the records of what changed."""
        for what, seen in self._of.items():
            seen.expire(watermark_ms)
            for chunk, ids in seen.take_unsaved():
                yield state_key(what, *chunk), None if ids is None else state_value(ids)

    def load(self, what: str, place: Sequence[int], content: Any) -> None:
        """Takes back a state record of either kind."""
        self._of[what].load(place[0], place[1], content)
