"""When the values of which account are to be looked at, so that nobody looks at all of them."""

from collections import deque
from heapq import heappop, heappush

from streams.values.book import Book


class Schedule:
    """Accounts whose books may have something to publish.

    They were touched, or the watermark reaches an instant at which one of their periods opens or
    ends, or values that were held back may go out by now.
    """

    def __init__(self, held_back_ms: int) -> None:
        """`held_back_ms`: provisional values are published at most so often, in wall time."""
        self._held_back_ms = held_back_ms
        self._touched: set[str] = set()
        self._due: list[tuple[int, str]] = []
        self._due_of: dict[str, int] = {}
        self._held: deque[tuple[int, str]] = deque()
        """(wall time, account) in order"""

    def touch(self, key: str) -> None:
        self._touched.add(key)

    def take(self, watermark_ms: int | None, now_ms: int, *, at_once: bool) -> set[str]:
        """The accounts to look at now; `at_once`: also those that hold something back."""
        taken, self._touched = self._touched, set()
        while self._due and watermark_ms is not None and self._due[0][0] <= watermark_ms:
            due_ms, key = heappop(self._due)
            if self._due_of.get(key) == due_ms:
                del self._due_of[key]
            taken.add(key)
        # Either way: a wall clock that was set back must not hold anything for longer.
        while self._held and (at_once or abs(now_ms - self._held[0][0]) >= self._held_back_ms):
            taken.add(self._held.popleft()[1])
        return taken

    def looked_at(self, key: str, book: Book, now_ms: int) -> None:
        """Notes what a book waits for, after it has published."""
        if book.holds_back:
            self._held.append((now_ms, key))
        due_ms = book.due_ms
        if self._due_of.get(key) != due_ms:
            self._due_of[key] = due_ms
            heappush(self._due, (due_ms, key))
