"""When to take the next checkpoint."""

from collections.abc import Callable
from dataclasses import dataclass

SHORTEST_S = 0.01
"""The shortest time between two checkpoints."""
SATURATED = 0.8
"""A worker that is busier has a backlog, or will soon."""
BACKLOG_RECORDS = 2000
"""Of a backlog at least so many are taken at once."""
REST = 0.5
"""A rest of an input that is less than this part of a round is no round of its own: a checkpoint
costs much the same however little was read for it.
"""


class Load:
    """What share of its time a worker has been busy, with batches and with snapshots, and how much
    it gets done.

    It is taken from snapshot to snapshot: soon after one there would be little but that one, and
    what goes fast would look like hard work. Times are monotonic seconds.
    """

    def __init__(self, now_s: float) -> None:
        self.snapshot_at_s = now_s
        self.busy_s = 0.0
        """Since the last snapshot began."""
        self.records = 0
        """Likewise, how many records were read."""
        self.busy_ratio = 0.0
        """Of late: half of it is of the time between the last two snapshots."""
        self._late_records = self._late_busy_s = 0.0

    def add(self, busy_s: float, records: int = 0) -> None:
        self.busy_s += busy_s
        self.records += records

    def begin_snapshot(self, now_s: float) -> None:
        last = self.busy_s / max(now_s - self.snapshot_at_s, SHORTEST_S)
        self.busy_ratio = (self.busy_ratio + last) / 2
        # What was read before a snapshot is worked on in it, and counts as busy only after it.
        self._late_records = self._late_records / 2 + self.records
        self._late_busy_s = self._late_busy_s / 2 + self.busy_s
        self.snapshot_at_s, self.busy_s, self.records = now_s, 0.0, 0

    def backlog(self, busy_s: float) -> float | None:
        """How many records of a backlog are so much work, to the end of all that follows from
        them, as it went of late; None: there is no backlog.
        """
        if self.busy_ratio <= SATURATED:
            return None
        return max(self._late_records / self._late_busy_s * busy_s, BACKLOG_RECORDS)


@dataclass(frozen=True)
class Pace:
    """How far checkpoints are apart.

    Every `quiet_s` while the worker has time to spare, every `busy_s` when it has none; with
    None only when it is asked for, or (a replay) after `records` input records; after up to
    `most_records` as long as fewer than `few_members` changed. `ahead` records may be read before
    the next stage begins with them; None: what is work enough. `to_come` says about how many
    records there still are of an input that ends; None: nobody knows.
    """

    quiet_s: float | None = 0.1
    busy_s: float = 1.0
    records: int | None = None
    most_records: int = 0
    few_members: int = 0
    ahead: int | None = None
    to_come: Callable[[], float | None] = lambda: None

    def interval_s(self, busy_ratio: float) -> float | None:
        """Seconds between checkpoints when the worker is busy for this share of its time.

        Reading and committing share the interpreter: a worker with a backlog gets to 0.8 or more.
        """
        if self.quiet_s is None:
            return None
        load = min(max((busy_ratio - 0.6) / 0.3, 0.0), 1.0)
        # Rare checkpoints spare work that frequent ones repeat. So much of it that the worker keeps
        # up is enough, and the last step to `busy_s` is for one that would not.
        return self.quiet_s + load**2 * (self.busy_s - self.quiet_s)

    def is_due_after(self, load: Load, members_changed: Callable[[], int]) -> bool:
        """Whether enough was read since the last checkpoint, however little time it took.

        A worker with a backlog reads in no time what it then works on for long, and nothing else
        can happen meanwhile. A replay's checkpoint settles each membership that changed, however
        much of it did, and they are unpacked until then: the fewer, the longer it pays to wait.
        """
        enough = load.backlog(self.busy_s) if self.records is None else self.records
        if enough is None or load.records < enough:
            return False
        if self.records is not None and members_changed() < self.few_members:
            enough = self.most_records
        to_come = self.to_come()
        is_last = to_come is not None and to_come < REST * enough
        return load.records >= ((1 + REST) * enough if is_last else enough)
