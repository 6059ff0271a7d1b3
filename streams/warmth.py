"""Which of many things were used lately, so that the others can be kept packed."""

from collections.abc import Iterator

WARM = 24_000
"""Members of accounts that all partitions together keep unpacked by default: see Warm."""
LEAVES_PART = 3
"""Of leaves it is this part: users hears of news only, and to unpack one leaf takes a twentieth of
the time that a whole account takes."""


AT_ONCE = 8
"""So many keys get cold in one flush even where nothing else is used any more."""
IN_TIME = 1.25
"""Keys get cold by this factor faster than others take their place."""


class Warm:
    """Keys in two generations by their last use; a generation holds a bounded weight.

    When the younger one is full it becomes the older one, and the older one begins to get cold. So
    what was used within the last `most` is always warm, and, as what gets cold goes in step with
    what is used, at most three times that is after `cooled`, and mostly less than two times.
    """

    def __init__(self, most: int) -> None:
        self._most = max(most, 1)
        self._young: set[str] = set()
        self._old: set[str] = set()
        self._going: set[str] = set()
        self._left = 0
        """How many were going when the older generation began to."""
        self._late = False
        """True: another generation has begun to go before this one was gone."""
        self._weight = 0

    def use(self, key: str, weight: int = 1) -> None:
        if key not in self._young:
            self._young.add(key)
            self._old.discard(key)
            self._going.discard(key)
            self.grow(weight)

    def grow(self, weight: int = 1) -> None:
        """Something that is in use has become heavier."""
        self._weight += weight
        if self._weight >= self._most:
            self._late = bool(self._going)
            self._going |= self._old
            self._left = len(self._going)
            self._old, self._young, self._weight = self._young, set(), 0

    def cooled(self) -> Iterator[str]:
        """Keys that get cold now. To pack many at once would hold up everybody else, so they go as
        others come, and are gone before the next generation begins to go.
        """
        going = self._going
        come = min(IN_TIME * self._weight / self._most, 1.0)
        staying = 0 if self._late else int(self._left * (1 - come))
        n = min(max(len(going) - staying, AT_ONCE), len(going))
        self._late = False
        for _ in range(n):
            yield going.pop()
