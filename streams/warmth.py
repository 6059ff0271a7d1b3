"""Which of many things were used lately, so that the others can be kept packed."""

from collections.abc import Iterator

WARM = 32_000
"""What all partitions of a stage together keep unpacked by default: see Warm."""


class Warm:
    """Keys in two generations by their last use; a generation holds a bounded weight.

    When the younger one is full, the older one gets cold and the younger one becomes the older. So
    what was used within the last `most` is always warm, and no more than twice that ever is.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._young: set[str] = set()
        self._old: set[str] = set()
        self._weight = 0

    def use(self, key: str, weight: int = 1) -> None:
        if key not in self._young:
            self._young.add(key)
            self._old.discard(key)
            self._weight += weight

    def grow(self) -> None:
        """Something that is in use has become heavier by one."""
        self._weight += 1

    def cooled(self) -> Iterator[str]:
        """The keys that have got cold since the last call."""
        if self._weight < self._most:
            return
        cold, self._old, self._young, self._weight = self._old, self._young, set(), 0
        yield from cold
