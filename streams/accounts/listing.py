"""What a partition of accounts tells the company's last step for rankings of members.

Of an account that is, or ever was, in such a membership: when it was in and why, and its values of
the KPIs that its lines show. An account that never was says nothing.
"""

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from schemas.batches import Members, ValueBatch, encode, numerals_of, unfinished
from schemas.keys import ACCOUNT, shown_account
from schemas.outputs import canonical_json
from schemas.ranks import OfMembers
from schemas.row_forms.values import RankingRow
from schemas.terms import kpi_in
from streams.calendar import Calendar
from streams.contributions import tally_key
from streams.measures.kinds import ALL
from streams.measures.of_subjects import Values
from streams.parts.memberships import Membership
from streams.roles import VALUES_ROLE
from streams.stage import Outgoing
from streams.state_keys import LISTED, LISTED_FOR, state_key, state_value
from streams.values.book import Book, Change
from streams.values.tally import Value
from streams.watermark import Announcements

BATCH_TOLD = 5000
"""A batch holds so many of each at most, to stay below what a Kafka record may hold."""


class Read(NamedTuple):
    """A KPI of accounts that rankings of members show, in a kind of period."""

    kpi: str
    period: str


def values_read(rows: Iterable[RankingRow]) -> frozenset[Read]:
    """The values that rankings read of members."""
    return frozenset(
        Read(kpi, input.period or period)
        for row in rows
        for input in row.inputs.values()
        for period in row.periods
        if (kpi := kpi_in(input, period)) is not None
    )


def names_read(rows: Iterable[RankingRow]) -> frozenset[Read]:
    """The lists of members that stand in their lines."""
    return frozenset(Read(*each) for row in rows for each in row.attach.items())


def kpis_of_members(rows: Iterable[RankingRow]) -> frozenset[str]:
    """The KPIs of members that rankings read, values and lists."""
    rows = tuple(rows)
    return frozenset(read.kpi for read in values_read(rows) | names_read(rows))


class Listing:
    """What is to be told, and of whom."""

    def __init__(
        self,
        rows: Sequence[RankingRow],
        memberships: Iterable[Membership],
        book_rows: Container[str],
        calendar: Calendar,
        announcements: Announcements,
    ) -> None:
        """`book_rows`: those of which accounts have values."""
        self._calendar, self._announcements = calendar, announcements
        named = {row.rank.members for row in rows if isinstance(row.rank, OfMembers)}
        self._memberships = [each for each in memberships if each.row.id in named]
        self._values = {each for each in values_read(rows) if each.kpi in book_rows}
        self._names = {each for each in names_read(rows) if each.kpi in book_rows}
        told = (sorted(map(list, read)) for read in (self._values, self._names))
        self._told_for = canonical_json([sorted(named), *told])
        self.tells_all = True
        """True: nobody has been told of yet; every account is to be looked at."""
        self._listed: set[str] = set()
        """Accounts that are told of."""
        self._newly: set[str] = set()
        self._unsaved: set[str] = set()
        self._unsaved_for = False
        self._stands: dict[tuple[str, str], list[tuple[int, int | None, int, Any]]] = {}
        self._news: dict[tuple[Read, str, int], Value] = {}

    def begin(self) -> None:
        """To be called before every account is told of for the first time."""
        self._unsaved |= self._listed
        self._listed.clear()
        self.tells_all, self._unsaved_for = False, True

    def passes(self, key: str, old: Values, new: Values) -> None:
        """Looks at an account whose measures have changed."""
        if not key.startswith(ACCOUNT):
            return
        for membership in self._memberships:
            if membership.stand(old) != membership.stand(new):
                self._stands[membership.row.id, key] = list(_stands(membership, new))
        listed = any(membership.stand(new).course for membership in self._memberships)
        if listed != (key in self._listed):
            self._unsaved.add(key)
            if listed:
                self._listed.add(key)
                self._newly.add(key)
            else:
                self._listed.discard(key)
                self._newly.discard(key)
                self._news = {of: value for of, value in self._news.items() if of[1] != key}

    def hear(self, key: str, change: Change) -> None:
        """Notes a value of an account that was published."""
        if key in self._listed and (change.tally.variant, change.tally.segment) == ("", ALL):
            read = Read(change.tally.kpi, change.period)
            if read in self._values or read in self._names:
                self._news.update(((read, key, at), change.value) for at in change.at)

    def records(
        self,
        watermark_ms: int | None,
        first_fact_ms: int | None,
        now_ms: int,
        book_of: Callable[[str], Book | None],
    ) -> Iterator[Outgoing]:
        """What was found, headed by how far accounts have come."""
        for key in sorted(self._newly):
            book = book_of(key)
            if book is not None and watermark_ms is not None:
                self._tell_before(key, book, watermark_ms)
        self._newly.clear()
        stands = [(kpi, _shown(key), of) for (kpi, key), of in self._stands.items()]
        values = [
            (*read, key, at, value)
            for (read, key, at), value in self._news.items()
            if read in self._values
        ]
        names = [
            (read.kpi, _shown(key), read.period, at, _top(value))
            for (read, key, at), value in self._news.items()
            if read in self._names
        ]
        numbers = [
            (kpi, _shown(key), period, at, *numerals_of(value.exact))
            for kpi, period, key, at, value in values
        ]
        self._stands, self._news = {}, {}
        header = self._announcements.header(watermark_ms, first_fact_ms)
        most = max(len(stands), len(numbers), len(names))
        if not self._announcements.due(header, now_ms, urgent=True) and not most:
            return
        for start in range(0, max(most, 1), BATCH_TOLD):
            end = start + BATCH_TOLD
            told = Members(stands[start:end], numbers[start:end], names[start:end])
            headed = header if end >= most else unfinished(header)
            yield Outgoing(VALUES_ROLE, 0, None, encode(ValueBatch(headed, [], [], told)))

    def _tell_before(self, key: str, book: Book, watermark_ms: int) -> None:
        """Tells of the values that an account had before it was told of."""
        for read in self._values | self._names:
            tally = tally_key(read.kpi, "", ALL)
            first = book.first_index(tally, read.period)
            last = self._calendar.index(read.period, watermark_ms)
            indexes = range(last + 1 if first is None else first, last + 1)
            for at, value in book.values(tally, read.period, indexes):
                self._news[read, key, at] = value

    # ---- checkpoints

    def take_unsaved(self) -> Iterator[tuple[bytes, bytes | None]]:
        for key in sorted(self._unsaved):
            yield state_key(LISTED, key), state_value(1) if key in self._listed else None
        if self._unsaved_for:
            yield state_key(LISTED_FOR), state_value(self._told_for)
        self._unsaved.clear()
        self._unsaved_for = False

    def load(self, what: str, key: str, content: Any) -> None:
        if what == LISTED_FOR:
            self.tells_all = content != self._told_for
        else:
            self._listed.add(key)


def _stands(
    membership: Membership, values: Values
) -> Iterator[tuple[int, int | None, int, list[dict[str, Any]]]]:
    """The days at whose end an account is in, with the instant of each entry and its reasons."""
    stand = membership.stand(values)
    course = stand.course
    for number in range(0, len(course), 2):
        entry, *left = course[number : number + 2]
        first = membership.day(entry)
        after = membership.day(left[0]) if left else None
        if after is None or first < after:
            yield first, after, entry[0], membership.because(entry, stand)


def _shown(key: str) -> str:
    return shown_account(key) or ""


def _top(value: Value) -> list[str]:
    return [] if value.lines is None else [line["name"] for line in value.lines["top"]]
