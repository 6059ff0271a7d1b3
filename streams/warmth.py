"""Which of many things were used lately, so that the others can be kept packed."""

from collections import OrderedDict
from collections.abc import Iterator

WARM = 24_000
"""Members of accounts that all partitions together keep unpacked by default: see Warm."""
LEAVES_PART = 3
"""Of leaves it is this part: users hears of news only, and to unpack one leaf takes a twentieth of
the time that a whole account takes."""


class Warm:
    """Keys in the order of their last use, up to a weight in all.

    Those that were used least lately get cold, as many as came meanwhile: to pack many at once
    would hold up everybody else.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._weights: OrderedDict[str, int] = OrderedDict()
        self._weight = 0

    def use(self, key: str, weight: int = 1) -> None:
        """`weight`: what it weighs now."""
        self._weight += weight - self._weights.get(key, 0)
        self._weights[key] = weight
        self._weights.move_to_end(key)

    def cooled(self) -> Iterator[str]:
        """Keys that get cold now."""
        while self._weight > self._most:
            key, weight = self._weights.popitem(last=False)
            self._weight -= weight
            yield key
